"""The back end that runs CUDA kernels on the arrays of this package, with the emulation."""

from cupy_stand_in import recording, streams
from cupy_stand_in.arrays import ndarray

__all__ = ["EmulationBackend"]


class EmulationBackend:
    """A back end for `tinynet_kernels.cuda.installed`.

    Args:
        emulator: a `cuda_emulation.Emulator`, which gets the arrays of NumPy behind the device arrays.
    """

    def __init__(self, emulator):
        self._emulator = emulator

    def serves(self, array):
        return isinstance(array, ndarray)

    def empty(self, shape, dtype):
        return ndarray(recording.allocated(self._emulator.empty(shape, dtype)))

    def launch(self, function, grid, block, arguments, shared_bytes):
        streams.current().run()
        arguments = [a._host if isinstance(a, ndarray) else a for a in arguments]
        recording.launched(lambda: self._emulator.launch(function, grid, block, arguments, shared_bytes))
