"""Running CUDA kernels without a GPU: g++ compiles them as plain C++, `cuda_emulation.h` takes the GPU's
place.

`Emulator` is a back end for `tinynet_kernels.cuda.installed`. It serves NumPy arrays, and raises an
`EmulationError` where a kernel does what on a GPU would go wrong some day.
"""

from cuda_emulation.compilation import find_compiler
from cuda_emulation.emulator import EmulationError, Emulator

__all__ = ["EmulationError", "Emulator", "find_compiler"]
