"""Running kernels on the GPU with CuPy, which compiles them with NVRTC and keeps the result on disk."""

import sys

__all__ = ["CupyBackend"]

_ORDINARY_SHARED_BYTES = 48 * 1024  # more has to be asked for


class CupyBackend:
    """The back end for CuPy arrays. CuPy itself is imported by whoever makes these."""

    def __init__(self):
        self._kernels = {}

    def serves(self, array):
        """Whether this is a CuPy array."""
        cupy = sys.modules.get("cupy")
        return cupy is not None and isinstance(array, cupy.ndarray)

    def empty(self, shape, dtype):
        """A new array on the current device, whose elements are undefined."""
        return sys.modules["cupy"].empty(shape, dtype)

    def launch(self, function, grid, block, arguments, shared_bytes):
        """Starts a kernel on the current device and stream; the arguments have been checked."""
        kernel = self._kernels.get(function) or self._load(function)
        if shared_bytes > _ORDINARY_SHARED_BYTES and kernel.max_dynamic_shared_size_bytes < shared_bytes:
            kernel.max_dynamic_shared_size_bytes = shared_bytes
        arguments = tuple([0 if argument is None else argument for argument in arguments])
        kernel(grid, block, arguments, shared_mem=shared_bytes)

    def _load(self, function):
        program = function.program
        module = sys.modules["cupy"].RawModule(code=program.text, options=program.options)
        self._kernels[function] = kernel = module.get_function(function.name)
        return kernel
