"""Dropout: random zeros in training, nothing at inference.

Sources: Srivastava et al., "Dropout", 2014; Tompson et al., 2015 (whole channels); Klambauer et al.,
"Self-normalizing neural networks", 2017 (alpha dropout).
"""

from tinynet.autograd import Function, Tensor, is_recomputing
from tinynet.backend import default_generator
from tinynet.errors import ArgumentError, GraphError, ShapeError
from tinynet.functional.arithmetic import multiply
from tinynet.functional.conversion import floating
from tinynet_kernels import dropout as kernels
from tinynet_kernels.cuda.capturing import is_capturing, repeated, step_numbers

__all__ = ["alpha_dropout", "dropout", "dropout2d"]

_SELU_FLOOR = -1.7580993408473766  # −scale·alpha: what SELU approaches at −∞


class Dropout(Function):
    """Random zeros. Keeps one byte per element, which says whether the element was kept."""

    __slots__ = ("key", "p")

    def __init__(self, key, p):
        self.key = key
        self.p = p

    def forward(self, x):
        y, self.kept = kernels.forward(x, self.key, self.p)
        return y

    def backward(self, gy):
        return Masked(self.p)(gy, Tensor(self.kept))

    def backward_arrays(self, gy):
        return kernels.backward(gy, self.kept, self.p)


class Masked(Function):
    """The zeros that were drawn before, once more: the gradient of `Dropout`, and its own."""

    __slots__ = ("p",)
    reads = ((1,), ())

    def __init__(self, p):
        self.p = p

    def forward(self, x, mask):
        return kernels.backward(x, mask, self.p)

    def backward(self, gy):
        return Masked(self.p)(gy, self.inputs[1]), None


def dropout(x, p=0.5, training=True, generator=None):
    """Sets each element to 0 with probability p and divides the others by 1 − p.

    Args:
        x: any shape, float.
        p: probability from 0 to 1.
        training: False gives x itself.
        generator: a `Generator`; by default the default one. Each call draws a key from it, from which the
            mask follows, the same on every device; see `tinynet_kernels.dropout`.

    Raises:
        ArgumentError: p is not a probability.
    """
    x = floating(x)
    _check_probability("dropout", p)
    if not training or p == 0:
        return x
    return Dropout(_key(generator), p)(x)


def dropout2d(x, p=0.5, training=True, generator=None):
    """Like `dropout`, but drops whole channels of x (N, *spatial, C): each (sample, channel) at once."""
    x = floating(x)
    if x.ndim < 3:
        raise ShapeError(f"dropout2d: x must be (N, *spatial, C), but has shape {x.shape}")
    _check_probability("dropout2d", p)
    if not training or p == 0:
        return x
    shape = (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])
    return multiply(x, Tensor(_mask(x, shape, p, generator)))


def alpha_dropout(x, p=0.5, training=True, generator=None):
    """Dropout that keeps mean 0 and variance 1 behind SELU: dropped elements take SELU's lowest value."""
    x = floating(x)
    _check_probability("alpha_dropout", p)
    if not training or p == 0:
        return x
    if p == 1:
        return multiply(x, 0.0)
    kept = 1 - p
    scale = (kept + _SELU_FLOOR**2 * kept * p) ** -0.5
    mask = _draw(x, x.shape, p, generator).astype(x.dtype)
    floor = (1 - mask) * (_SELU_FLOOR * scale) - scale * _SELU_FLOOR * p
    return multiply(x, Tensor(mask * scale)) + Tensor(floor)


def _key(generator):
    """What the mask of one call depends on: 64 random bits. The mask itself is computed from them."""
    generator = default_generator() if generator is None else generator
    if is_capturing() and is_recomputing():
        raise GraphError("dropout: a captured step can't draw the numbers of a checkpointed section again")
    return repeated(lambda: step_numbers("uint32", tuple(generator.integers(0, 2**32, 2).tolist())))


def _draw(x, shape, p, generator):
    """True where an element is kept."""
    return kernels.keep_mask(x.data, shape, _key(generator), p)


def _mask(x, shape, p, generator):
    """0 for what is dropped, 1 / (1 − p) for what is kept."""
    mask = _draw(x, shape, p, generator).astype(x.dtype)
    if p < 1:
        mask *= 1 / (1 - p)
    return mask


def _check_probability(operation, p):
    if not 0 <= p <= 1:
        raise ArgumentError(f"{operation}: p must be a probability from 0 to 1, not {p!r}")
