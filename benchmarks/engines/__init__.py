"""tinynet beside other engines that are written in Python: MyGrad, autograd, DeZero, Chainer.

``python -m benchmarks.engines``; how to install them stands in the README of the folder above. Each engine
runs in a process of its own, most of them in an environment of its own. So `worker`, `tasks` and the modules
``in_*`` import NumPy, one engine, and nothing else that would have to be installed.
"""
