"""Attaches operators and methods to `Tensor`.

`Tensor` lives on the floor below and may not import the operations, so they are handed to it here, when
`tinynet.functional` is imported. A method is the function of the same name with the tensor as its first
argument. In-place operators are left out on purpose: ``x += y`` makes a new tensor.
"""

import numpy as np

from tinynet.autograd import Tensor
from tinynet.errors import DTypeError, ShapeError
from tinynet.functional import (
    activations,
    arithmetic,
    comparison,
    conversion,
    elementwise,
    indexing,
    joining,
    linear_algebra,
    reductions,
    shaping,
    sorting,
    trigonometric,
)

__all__: list[str] = []


def attach():
    """Gives `Tensor` its operators and methods, and NumPy's functions for tensors."""
    for name, function in (_OPERATORS | _METHODS).items():
        setattr(Tensor, name, function)
    for module, names in _SAME_NAME.items():
        for name in names.split():
            setattr(Tensor, name, getattr(module, name))
    Tensor.T = property(shaping.transpose, doc="The tensor with its axes reversed.")
    Tensor.__array_ufunc__ = _array_ufunc
    # CuPy leaves an operator to the other operand when that one has the higher priority.
    Tensor.__array_priority__ = 1000


def _reflected(function):
    def reflected(x, y):
        return function(y, x)

    reflected.__doc__ = function.__doc__
    return reflected


def _comparable(function):
    """Lets Python decide about what isn't a number: ``tensor == None`` is False."""

    def compare(x, y):
        return NotImplemented if y is None or isinstance(y, str) else function(x, y)

    compare.__doc__ = function.__doc__
    return compare


def _bitwise(name, logical):
    """The operator for truth values; integers are combined bit by bit."""

    def combine(x, y):
        x, y = arithmetic.operands(x, y)
        if x.dtype.kind == "b":
            return logical(x, y)
        if x.dtype.kind == "f":
            raise DTypeError(f"{name}: expected truth values or integers, not {x.dtype}")
        return Tensor(getattr(x.data, f"__{name}__")(y.data))

    combine.__doc__ = logical.__doc__
    return combine


def _invert(x):
    """The opposite truth values; the opposite bits of integers."""
    if x.dtype.kind == "f":
        raise DTypeError(f"invert: expected truth values or integers, not {x.dtype}")
    return Tensor(~x.data)


def _positive(x):
    """The tensor itself."""
    return x


def _iterate(x):
    """The slices along the first axis."""
    if not x.ndim:
        raise ShapeError("iter: a tensor without axes cannot be iterated over")
    return iter(joining.unbind(x))


def _contains(x, value):
    """Refuses ``value in tensor``, which could mean several things."""
    raise DTypeError("in: not defined for tensors; write (tensor == value).any()")


def _view(x, *shape):
    """The same elements in another shape, as `reshape`."""
    return shaping.reshape(x, *shape)


def _float(x):
    """The tensor in float32."""
    return conversion.cast(x, np.float32)


def _double(x):
    """The tensor in float64."""
    return conversion.cast(x, np.float64)


def _cpu(x):
    """The tensor in main memory."""
    return conversion.to(x, device="cpu")


def _cuda(x, index=0):
    """The tensor on a GPU, the first one unless an index is given."""
    return conversion.to(x, device=f"cuda:{index}")


_OPERATORS = {
    "__add__": arithmetic.add,
    "__radd__": arithmetic.add,
    "__sub__": arithmetic.subtract,
    "__rsub__": _reflected(arithmetic.subtract),
    "__mul__": arithmetic.multiply,
    "__rmul__": arithmetic.multiply,
    "__truediv__": arithmetic.divide,
    "__rtruediv__": _reflected(arithmetic.divide),
    "__floordiv__": arithmetic.floor_divide,
    "__rfloordiv__": _reflected(arithmetic.floor_divide),
    "__mod__": arithmetic.remainder,
    "__rmod__": _reflected(arithmetic.remainder),
    "__pow__": arithmetic.power,
    "__rpow__": _reflected(arithmetic.power),
    "__matmul__": linear_algebra.matmul,
    "__rmatmul__": _reflected(linear_algebra.matmul),
    "__neg__": arithmetic.negative,
    "__pos__": _positive,
    "__abs__": elementwise.abs,
    "__invert__": _invert,
    "__and__": _bitwise("and", comparison.logical_and),
    "__rand__": _bitwise("and", comparison.logical_and),
    "__or__": _bitwise("or", comparison.logical_or),
    "__ror__": _bitwise("or", comparison.logical_or),
    "__xor__": _bitwise("xor", comparison.logical_xor),
    "__rxor__": _bitwise("xor", comparison.logical_xor),
    "__eq__": _comparable(comparison.equal),
    "__ne__": _comparable(comparison.not_equal),
    "__lt__": comparison.less,
    "__le__": comparison.less_equal,
    "__gt__": comparison.greater,
    "__ge__": comparison.greater_equal,
    "__getitem__": indexing.getitem,
    "__iter__": _iterate,
    "__contains__": _contains,
}

_METHODS = {
    "astype": conversion.cast,
    "cpu": _cpu,
    "cuda": _cuda,
    "double": _double,
    "float": _float,
    "view": _view,
}

_SAME_NAME = {
    activations: "log_softmax relu sigmoid softmax tanh",
    arithmetic: "square",
    conversion: "clone to",
    elementwise: "abs ceil clip exp floor log round sign sqrt",
    indexing: "gather masked_fill scatter_add",
    joining: "chunk split unbind",
    linear_algebra: "diagonal dot matmul",
    reductions: "all any argmax argmin cumsum logsumexp max mean min norm prod std sum var",
    shaping: (
        "broadcast_to expand_dims flatten flip moveaxis permute repeat reshape squeeze swapaxes tile "
        "transpose unsqueeze"
    ),
    sorting: "argsort sort topk",
    trigonometric: "cos sin",
}

_UFUNC_MODULES = (arithmetic, comparison, elementwise, trigonometric)
_UFUNCS = {
    "absolute": elementwise.abs,
    "bitwise_and": _OPERATORS["__and__"],
    "bitwise_or": _OPERATORS["__or__"],
    "bitwise_xor": _OPERATORS["__xor__"],
    "fabs": elementwise.abs,
    "invert": _invert,
    "matmul": linear_algebra.matmul,
    "positive": _positive,
    "rint": elementwise.round,
    "tanh": activations.tanh,
}


def _array_ufunc(tensor, ufunc, method, *inputs, **options):
    """Lets NumPy's elementwise functions, and operators of arrays with tensors, give tensors."""
    name = ufunc.__name__
    twin = _UFUNCS.get(name)
    for module in _UFUNC_MODULES:
        twin = twin or (getattr(module, name) if name in module.__all__ else None)
    call = name if method == "__call__" else f"{name}.{method}"
    if twin is None or method != "__call__":
        raise DTypeError(f"numpy.{call}: not defined for tensors; use .numpy() to leave the graph")
    if options:
        named = ", ".join(sorted(options))
        raise DTypeError(f"numpy.{call}: tensors do not support the arguments {named}")
    return twin(*inputs)
