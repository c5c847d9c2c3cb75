"""Our own CUDA kernels from Python: where their source comes from and how they are launched.

Every family's ``gpu.py`` is built on three things: a `Source`, which is the ``gpu.cu`` beside it compiled for
an element type; `launch`, which checks what it passes to a kernel; and `empty` and `contiguous` for the
arrays. What runs the kernels is a back end, CuPy's as a rule, which can be replaced with `installed`.
Importing this imports neither CuPy nor anything of CUDA.
"""

from tinynet_kernels.cuda.arrays import blocks_for, contiguous, empty, zeros
from tinynet_kernels.cuda.launching import backend, installed, launch
from tinynet_kernels.cuda.source import Function, Program, Source, sources

__all__ = [
    "Function",
    "Program",
    "Source",
    "backend",
    "blocks_for",
    "contiguous",
    "empty",
    "installed",
    "launch",
    "sources",
    "zeros",
]
