"""Mixed precision: which operations of a block compute with fewer digits, and which must not.

Matrix products and convolutions take most of the time, and tensor cores compute them several times as fast
from numbers of 16 bits as from float32. They bear it well: their sums are still float32, and what rounding
adds to each factor is a relative 2⁻¹¹. Long sums, exponentials and divisions don't. So within
``autocast("float16")``

* linear maps, products, convolutions and recurrent layers cast their inputs to float16 and give float16;
* losses, softmax, reductions, exponentials, logarithms and powers, routing and CTC cast theirs up to float32;
* normalisations compute in float32 and give what they were given, since the next convolution would cast it;
* all other operations take what comes. Where float16 and float32 meet, float32 wins.

Parameters stay float32, in the flat buffer: an update that is small beside its parameter would be lost in
float16. A cast is an operation of the graph like any other, so gradients come back to the parameters in
float32, and nothing in the backward pass has to know where autocast was. Each use of a parameter has a cast
of its own; the gradients by its uses are therefore summed in float32. The numbers themselves are cast once
for all parameters of a buffer, and again only when the buffer has changed or another block has begun
(`Precision.cast_of`).

Gradients in float16 underflow long before those in float32, hence `tinynet.optim.LossScaler`.

On a GPU the sums of float16 products are float32 and rounded at the end. On the CPU they are as well
(`tinynet_kernels.widening`): the figures can be studied there, but nothing is gained in time.

``autocast("tf32")`` and ``autocast("bfloat16")`` are precisions of computing, not of storing: float32 arrays
stay float32. A GPU rounds the factors of their products on the way into its tensor cores, to 10 bits behind
the point or to 7 (`tinynet_kernels.cuda.modes.rounded_products`); sums and results are float32. So bfloat16
costs each factor a relative error of 2⁻⁸ at most, and what it can gain is the speed of the tensor cores:
arrays take as much memory, and as long to read and write, as ever. To store bfloat16 an array type is needed
that computes with it, and NumPy has none. Its range is that of float32, and gradients don't underflow: no
loss needs scaling. As nothing in the arrays shows the rounding, each operation remembers it for its backward
pass. The CPU doesn't round, nor do our own kernels where a product has no more than 16 rows or columns.

``python -m pytest -m gpu tests/training/test_training_autocast_gpu.py`` checks all this on a real GPU.

Sources: Micikevicius et al., Mixed Precision Training, 2018; which operations are safe is taken from
PyTorch's documentation of ``torch.amp``.
"""

import functools
import threading
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from tinynet.autograd.mode import per_thread
from tinynet.autograd.versions import changed_since, tick
from tinynet.errors import ArgumentError
from tinynet_kernels.cuda.capturing import is_capturing
from tinynet_kernels.cuda.modes import ROUNDINGS, rounded_products

__all__ = ["Precision", "autocast"]

PRECISIONS = ("float16", "bfloat16", "tf32", "float32")

# How many blocks are open, in all threads: as long as it is 0, operations need not ask for their own.
open_blocks = 0
_count_lock = threading.Lock()

_FLOAT32 = np.dtype(np.float32)


class autocast:
    """Operations inside the block compute with the precision of this name; see the module's text.

    Args:
        precision: ``"float16"``; ``"bfloat16"`` or ``"tf32"``, which round the factors of float32 products,
            on a GPU only, and leave all arrays float32; or ``"float32"``, full precision, for a part of a
            block of another precision. Where blocks are nested, the innermost one decides.

    The backward pass may run inside the block or, better, behind it; it computes as the forward pass did.
    Only float16 and float32 are ever cast: an operation that is given float64 or integers runs as always.
    Holds for the current thread only. An object can be entered several times, one after the other, one in the
    other, and by several threads.

    Raises:
        ArgumentError: there is no such precision.
    """

    def __init__(self, precision):
        if precision not in PRECISIONS:
            choices = f"choose {', '.join(map(repr, PRECISIONS[:-1]))} or {PRECISIONS[-1]!r}"
            raise ArgumentError(f"autocast: there is no precision {precision!r}; {choices}")
        self.precision = precision

    def __enter__(self):
        dtype = np.dtype(np.float16) if self.precision == "float16" else _FLOAT32
        wanted = Precision(self.precision, dtype)
        wanted.modes = _modes(wanted, self.precision if self.precision in ROUNDINGS else None)
        wanted.modes.__enter__()
        _count(1)
        return self

    def __exit__(self, *error):
        _count(-1)
        per_thread.mode.precision.modes.__exit__(*error)


class Precision:
    """What an open block asks of the operations in it.

    Attributes:
        name: the name given to `autocast`.
        dtype: of the factors of products.
        modes: the context that ends with the block.
    """

    __slots__ = ("_casts", "dtype", "modes", "name")

    def __init__(self, name, dtype):
        self.name = name
        self.dtype = dtype
        self.modes = None
        self._casts = {}

    def applies_to(self, arrays):
        """Whether the arrays are all of the dtypes that are cast, some perhaps with a cast to do."""
        return all(array.dtype.kind == "f" and array.dtype.itemsize <= 4 for array in arrays)

    def cast_of(self, tensor):
        """The array of a tensor in `dtype`. Parameters are cast all together, and once."""
        place = tensor.place_in_buffer()
        if place is None or is_capturing():  # a graph must cast by itself, at every replay
            return tensor.data.astype(self.dtype)
        buffer, start = place
        flat = self._cast_buffer(buffer)
        return flat[start : start + tensor.data.size].reshape(tensor.data.shape)

    def _cast_buffer(self, array):
        cast = self._casts.get(id(array))
        if cast is None or changed_since(array, cast.made_at):
            cast = self._casts[id(array)] = _Cast(array, tick(), array.astype(self.dtype))
        return cast.result


class _Cast(NamedTuple):
    """A buffer (kept alive, so that its id stays its own), when it was cast, and to what."""

    source: Any
    made_at: int
    result: Any


def outside_of_blocks():
    """A context in which no block is open: for backward passes."""
    return nullcontext() if per_thread.mode.precision is None else _modes(None, None)


@contextmanager
def _modes(precision, rounding):
    mode = per_thread.mode
    outer = mode.precision, mode.products
    mode.precision, mode.products = precision, _RECORDED.get(rounding)
    try:
        with rounded_products(rounding):
            yield
    finally:
        mode.precision, mode.products = outer


def _as_recorded(rounding):
    """The context in which backward passes compute what a block with this rounding has recorded."""
    return _modes(per_thread.mode.precision, rounding)


_RECORDED = {rounding: functools.partial(_as_recorded, rounding) for rounding in ROUNDINGS}


def _count(step):
    global open_blocks
    with _count_lock:
        open_blocks += step
