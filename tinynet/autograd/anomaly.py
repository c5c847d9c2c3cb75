"""Finding the operation that made the first NaN or infinity."""

import itertools

from tinynet.autograd.mode import per_thread
from tinynet.autograd.tensor import Tensor
from tinynet.backend import array_module
from tinynet.errors import AnomalyError

__all__ = ["detect_anomaly"]


class detect_anomaly:
    """Checks every output and gradient computed inside the block.

    The first NaN or infinity that an operation makes from finite numbers raises AnomalyError, which
    names the operation and the path of the module in which it ran. Slow; meant for debugging.
    """

    def __init__(self):
        self._outer = []

    def __enter__(self):
        mode = per_thread.mode
        self._outer.append(mode.checking)
        mode.checking = True
        return self

    def __exit__(self, *_):
        per_thread.mode.checking = self._outer.pop()


def current_path():
    """The names of the modules whose forward is running, outermost first."""
    path = []
    modules = per_thread.mode.modules
    for outer, inner in itertools.pairwise(modules):
        path.append(outer.name_of_child(inner) or type(inner).__name__)
    return tuple(path)


def check_forward(function, output):
    """Raises AnomalyError when an output holds NaN or infinity."""
    outputs = output if type(output) is tuple else (output,)
    for array in outputs:
        _check(array, f"{function.operation}: the output of forward")


def check_backward(node, gradients):
    """Raises AnomalyError when a gradient computed by `node` holds NaN or infinity."""
    for index, gradient in enumerate(gradients):
        if gradient is None:
            continue
        array = gradient.data if isinstance(gradient, Tensor) else gradient
        try:
            _check(array, f"{node.operation}: the gradient of input {index}")
        except AnomalyError as error:
            error.module_path = node.origin or ()
            raise


def _check(array, what):
    xp = array_module(array)
    if array.dtype.kind != "f" or bool(xp.isfinite(array).all()):
        return
    kind = "NaN" if bool(xp.isnan(array).any()) else "infinity"
    bad = int((~xp.isfinite(array)).sum())
    raise AnomalyError(
        f"{what} holds {kind} ({bad} of {array.size} numbers are not finite, shape {array.shape})"
    )
