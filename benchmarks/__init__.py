"""tinynet measured: beside PyTorch in the same run, and against what the machine can do.

``python -m benchmarks`` from the root of the repository; see README.md in this folder.
"""
