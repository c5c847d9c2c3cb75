"""CUDA graphs: what was launched once, launched again all at once.

A launch from Python takes some microseconds, of which a small kernel needs one or two: a small network's
training step waits for the host. A graph is launched as a whole by one call.

What CuPy 14 has to be given for this, and what it refuses:

* The legacy default stream can't be captured; the capture takes place on a stream of its own that doesn't
  wait for it. Nothing runs meanwhile. The graph itself may be launched on any stream.
* cuBLAS is refused (NotImplementedError): products are computed by our own kernels, see `modes`.
* Whatever waits for the device is refused by CUDA, which gives the capture up.
* A copy from memory of the host would read that memory again in every replay, whatever lies there then:
  `tinynet.backend` refuses it.
* Memory: the addresses are part of the graph. Arrays of the step come from a pool that serves nobody else,
  so that what dies in the capture is used again within the graph and by nobody outside, for as long as the
  pool lives. The pool may grow during a capture, in the relaxed mode that is CuPy's default.
* Kernels should have been compiled and loaded before: the step must have run ordinarily.

Checked on a GPU by ``make test-gpu``, and with a stand-in for CuPy (tests/cupy_stand_in) everywhere.
Source: CUDA C++ Programming Guide, "CUDA Graphs"; cupy.cuda.Stream.begin_capture.
"""

import sys
from contextlib import suppress

from tinynet_kernels.cuda.capturing import CaptureError, Recording
from tinynet_kernels.cuda.modes import own_products

__all__ = ["Graph", "GraphMemory"]


class GraphMemory:
    """Memory for one or more graphs that never run at the same time: what one frees, the next may use.

    CuPy's pools keep what was freed on a stream for that stream: the captures share one.
    """

    def __init__(self):
        cuda = sys.modules["cupy"].cuda
        self.pool = cuda.MemoryPool()
        self.stream = cuda.Stream(non_blocking=True)


class Graph:
    """What a function launches, to be launched again.

    Args:
        function: without arguments; it must have been called before, so that kernels are compiled. It is
            called once, and nothing that it launches runs.
        memory: where its arrays lie, a `GraphMemory`. The graph keeps it.

    Attributes:
        result: what the function returned; what its arrays hold is undefined before the first `launch`.

    Raises:
        CaptureError: the function does what can't be captured, and why.
    """

    def __init__(self, function, memory):
        cupy = sys.modules["cupy"]
        self._memory = memory
        self._recording = Recording()
        stream = memory.stream
        with cupy.cuda.using_allocator(memory.pool.malloc), own_products(), self._recording.active(), stream:
            stream.begin_capture()
            try:
                self.result = function()
            except (cupy.cuda.runtime.CUDARuntimeError, NotImplementedError) as error:
                _give_up(stream)
                raise CaptureError(_explain(error)) from error
            except BaseException:
                _give_up(stream)
                raise
            try:
                self._graph = stream.end_capture()
            except cupy.cuda.runtime.CUDARuntimeError as error:
                raise CaptureError(_explain(error)) from error

    def launch(self):
        """Runs everything once more on the current stream, with new `step_numbers`. Doesn't wait for it."""
        self._recording.renew()
        self._graph.launch()


def _give_up(stream):
    """Takes the stream out of the capture; CUDA reports once more what went wrong."""
    with suppress(Exception):
        stream.end_capture()


def _explain(error):
    return (
        f"a graph can't repeat what this step does: {error}. It may only launch kernels on the device: no "
        "copies to or from the host, no waiting, no products by cuBLAS"
    )
