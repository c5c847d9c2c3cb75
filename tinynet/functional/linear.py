"""The affine map of a dense layer: product, bias and activation in one operation."""

import math

from tinynet.autograd import as_tensor, precision
from tinynet.errors import DTypeError, ShapeError
from tinynet.functional.array_products import product
from tinynet.functional.conversion import as_factors
from tinynet.functional.fused_activation import ActivatedFunction, check_activation

__all__ = ["linear"]


def _as_matrix(x):
    """All axes but the last made into one; an array or a tensor."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


class Linear(ActivatedFunction):
    """y = x · weight + bias; the bias may be left out."""

    __slots__ = ("shape",)
    reads = ((1,), (0,), ())

    def forward(self, x, weight, bias=None):
        self.shape = x.shape
        y = product(_as_matrix(x), weight, bias=bias, activation=self.activation)
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], weight.shape[1])

    def backward(self, gy):
        x, weight = self.inputs[:2]
        gy = _as_matrix(self.before_activation(gy))
        gradients = (
            (gy @ weight.swapaxes(0, 1)).reshape(self.shape) if self.needs(0) else None,
            _as_matrix(x).swapaxes(0, 1) @ gy if self.needs(1) else None,
        )
        if len(self.edges) == 2:
            return gradients
        return (*gradients, gy.sum(axis=0) if self.needs(2) else None)

    def backward_arrays(self, gy):
        x, weight = self.input_arrays[:2]
        has_bias = len(self.edges) == 3
        gbias = None
        if has_bias and self.needs(2):
            gy, gbias = self.before_bias_arrays(gy)
        else:
            gy = self.before_activation_arrays(gy)
        gy = _as_matrix(gy)
        gx = product(gy, weight, transpose_y=True).reshape(self.shape) if self.needs(0) else None
        gweight = None
        if self.needs(1):
            place = self.place_of_gradient(1, gy.dtype)
            gweight = product(_as_matrix(x), gy, transpose_x=True, out=place)
        return (gx, gweight, gbias) if has_bias else (gx, gweight)


class RectifiedLinear(Linear):
    """y = max(x · weight + bias, 0)."""

    __slots__ = ()
    operation = "linear"
    activation = "relu"
    reads_output = True


_FUNCTIONS = {None: Linear, "relu": RectifiedLinear}


def linear(x, weight, bias=None, activation=None):
    """activation(x · weight + bias) along the last axis.

    Args:
        x: (..., in).
        weight: (in, out), of the same dtype.
        bias: (out,) or None.
        activation: None, or ``"relu"``, which is then computed along with the rest.

    Returns:
        (..., out).

    Raises:
        ShapeError: the sizes don't fit.
        DTypeError: the dtypes differ.
        ArgumentError: there is no such activation.
    """
    check_activation("linear", activation)
    inputs = [as_tensor(x), as_tensor(weight)]
    if bias is not None:
        inputs.append(as_tensor(bias))
    if precision.open_blocks:
        inputs = as_factors(*inputs)
    _check(*inputs)
    return _FUNCTIONS[activation]()(*inputs)


def _check(x, weight, bias=None):
    x, weight = x.data, weight.data
    if weight.ndim != 2:
        raise ShapeError(f"linear: weight must have shape (in, out), not {weight.shape}")
    if not x.ndim or x.shape[-1] != weight.shape[0]:
        found = x.shape[-1] if x.ndim else "no"
        raise ShapeError(
            f"linear: x has {found} features (shape {x.shape}) but weight expects {weight.shape[0]} "
            f"(shape {weight.shape})"
        )
    if bias is not None and bias.data.shape != (weight.shape[1],):
        raise ShapeError(
            f"linear: bias has shape {bias.data.shape} but weight gives {weight.shape[1]} features "
            f"(shape {weight.shape})"
        )
    if x.dtype != weight.dtype or (bias is not None and bias.data.dtype != weight.dtype):
        which, dtype = ("x", x.dtype) if x.dtype != weight.dtype else ("bias", bias.data.dtype)
        raise DTypeError(
            f"linear: {which} is {dtype} but weight is {weight.dtype}; convert with .astype(...)"
        )
