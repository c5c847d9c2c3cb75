"""Capturing a stream: what is done on the device is written down instead of being done, and done by replays.

Everything that runs on the device is a node of the graph: launches of kernels, and all that CuPy does with
kernels of its own. What the program does besides is not there when the graph is replayed. What CUDA or CuPy
refuse while a stream is captured is refused here:

* reading from the device, and waiting for it;
* products, which CuPy leaves to cuBLAS;
* random numbers, which come from cuRAND;
* copies from memory of the host, which CUDA would accept, but read again in each replay;
* the default stream, and arrays from the memory pool that everybody uses.

Memory that is taken during a capture may be used for something else earlier in the graph, or by another graph
of the same pool. So every replay begins by spoiling the arrays that were made in the capture: what isn't
written before it is read, in every replay, is found. Floats are NaN until then, too.
"""

import operator

import numpy as np

from cupy_stand_in import streams

__all__ = [
    "Graph",
    "allocated",
    "begin",
    "end",
    "is_capturing",
    "launched",
    "perform",
    "refuse",
    "refuse_upload",
]

_PRODUCTS = {"dot", "einsum", "inner", "matmul", "outer", "tensordot", "vdot"}
_IN_PLACE = {getattr(operator, name) for name in dir(operator) if name.startswith("__i")}
_IN_PLACE |= {
    operator.setitem,
    np.ndarray.fill,
    *(f.at for f in vars(np).values() if isinstance(f, np.ufunc)),
}

_SPOILT = 0xFF  # every byte; NaN in floating-point types

_capture: list = []  # the stream, the nodes and the arrays made so far, while there is a capture


class Graph:
    """What was captured.

    Attributes:
        nodes: functions without arguments, in order.
        arrays: those that were made in the capture.
        launches: how many graphs have been launched since the program started, for tests.
    """

    launches = 0

    def __init__(self, nodes, arrays):
        self.nodes = nodes
        self.arrays = arrays

    def launch(self, stream=None):
        """Does everything that was captured."""
        assert not is_capturing()
        (stream or streams.current()).run()
        Graph.launches += 1
        for array in self.arrays:
            _spoil(array)
        with np.errstate(all="ignore"):
            for node in self.nodes:
                node()


def begin(stream):
    """Starts a capture of a stream; see `cupy.cuda.Stream.begin_capture`."""
    if stream is streams.Stream.null:
        raise RuntimeError("cannot capture on the default (legacy) stream")
    assert not _capture, "another stream is being captured"
    _capture[:] = [stream, [], []]


def end(stream):
    """Ends it and gives the `Graph`."""
    if not _capture or _capture[0] is not stream:
        raise streams.CUDARuntimeError("cudaErrorIllegalState: the stream is not being captured")
    _, nodes, arrays = _capture
    _capture.clear()
    return Graph(nodes, arrays)


def is_capturing():
    """Whether the current stream is being captured."""
    return bool(_capture) and streams.current() is _capture[0]


def refuse(what):
    """Raises what CUDA reports when a program waits for a stream that is being captured."""
    if is_capturing():
        raise streams.CUDARuntimeError(
            f"cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing ({what})"
        )


def refuse_upload(what):
    """Raises AssertionError for a copy from the host in a capture."""
    assert not is_capturing(), f"{what}: a graph would read this memory of the host again in each replay"


def allocated(array):
    """Notes an array of NumPy for which a capture, if there is one, has taken memory; returns it."""
    if is_capturing():
        _refuse_default_pool()
        _spoil(array)
        _capture[2].append(array)
    return array


def _spoil(array):
    """Fills an array, whatever its strides."""
    array[...] = np.full(array.itemsize, _SPOILT, np.uint8).view(array.dtype)[0]


def launched(work):
    """Does something that only changes arrays, or notes it for the graph."""
    if is_capturing():
        _refuse_default_pool()
        _capture[1].append(work)
    else:
        work()


def perform(function, arguments, keywords):
    """What a function of NumPy gives; `arguments` are NumPy's arrays.

    In a capture, the results are arrays of the right shapes and dtypes into which each replay writes.
    """
    if not is_capturing():
        return function(*arguments, **keywords)
    _refuse_default_pool()
    if function.__name__ in _PRODUCTS:
        raise NotImplementedError(f"{function.__name__} calls cuBLAS, which CuPy refuses in a capture")

    def work():
        return function(*arguments, **keywords)

    if function in _IN_PLACE or keywords.get("out") is not None:
        _capture[1].append(work)
        return arguments[0]
    with np.errstate(all="ignore"):
        result = work()
    if function.__name__ in ("empty", "empty_like"):
        return allocated(result)
    return _noted(result, work, [a for a in _flat(arguments) if isinstance(a, np.ndarray)])


def _refuse_default_pool():
    assert streams.allocators, "a capture must take its arrays from a memory pool of its own"


def _noted(result, work, inputs):
    """The result, or each of several, as an array that `work` is repeated for, unless it is a view."""
    if isinstance(result, tuple | list):
        return type(result)(
            _noted(part, lambda index=index: work()[index], inputs) for index, part in enumerate(result)
        )
    array = np.asarray(result)
    if not any(np.may_share_memory(array, given) for given in inputs):
        allocated(array)
        _capture[1].append(lambda: array.__setitem__(..., work()))
    return array


def _flat(values):
    for value in values:
        if isinstance(value, tuple | list):
            yield from _flat(value)
        else:
            yield value
