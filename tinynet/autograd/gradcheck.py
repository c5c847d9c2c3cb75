"""Checking gradients against finite differences.

Along a random direction d, the derivative ⟨gradient, d⟩ of a randomly weighted sum of the outputs is
compared with its finite difference in float64. Where the differences contradict each other, the function
has a kink and there is no derivative to compare with; the check then goes on with smaller steps, and at
points nearby.
"""

from dataclasses import dataclass

import numpy as np

from tinynet.autograd.checked_function import CheckedFunction, gradient_function, gradients_of, input_tensors
from tinynet.autograd.finite_differences import Line, difference
from tinynet.autograd.tensor import Tensor, as_tensor
from tinynet.backend import array_module, to_numpy
from tinynet.errors import ArgumentError, GradientCheckError, GraphError

__all__ = ["gradcheck", "gradgradcheck"]

_STEPS = (1e-4, 1e-5, 1e-6)
_POINTS = 4
_PERTURBATION = 3e-3
_AGREEMENT = 1e-9
_LISTED_ELEMENTS = 256


def gradcheck(f, inputs, *, order=1, directions=2, rtol=1e-6, atol=1e-9, seed=0):
    """Checks the gradients of `f` by every floating-point input against finite differences.

    The check runs in float64 whatever the dtype of the inputs, since float32 has too few digits to tell a
    wrong gradient from rounding. It also checks that `f` gives the same outputs when it is called again,
    that neither forward nor backward changes the arrays they are given, that every gradient has the shape
    and dtype of its input, and that the recorded backward pass (``create_graph=True``) gives the same
    gradients as the ordinary one.

    Args:
        f: a function of tensors that returns a tensor or a sequence of tensors.
        inputs: a tensor or an array, or a sequence of them, of any shapes. Integers and truth values are
            passed on unchanged. The originals and their ``grad`` are left alone.
        order: the highest order of derivatives to check; 2 checks the gradients of the gradients as well.
        directions: how many random directions to try for each input.
        rtol: allowed difference, relative to the sum of the absolute terms of ⟨gradient, direction⟩.
        atol: allowed absolute difference. What rounding alone can cause is always allowed.
        seed: of the generator that draws directions and weights. The same seed makes the same check.

    Returns:
        True.

    Raises:
        GradientCheckError: naming the function, the input, the direction and both values.
        ArgumentError: there is no floating-point input, or `order` or `directions` is below 1.
    """
    if order < 1:
        raise ArgumentError(f"gradcheck: order must be at least 1, not {order}")
    settings = _Settings(directions, rtol, atol, seed)
    _check(CheckedFunction(f, _name_of(f)), _float64(inputs), settings)
    _check_higher(f, inputs, settings, order)
    return True


def gradgradcheck(f, inputs, *, directions=2, rtol=1e-6, atol=1e-9, seed=0):
    """Checks the second derivatives of `f`: the gradients of its gradients, by inputs and output weights.

    Arguments, result and errors are those of `gradcheck`.
    """
    _check_higher(f, inputs, _Settings(directions, rtol, atol, seed), 2)
    return True


@dataclass(frozen=True, slots=True)
class _Settings:
    directions: int
    rtol: float
    atol: float
    seed: int

    def __post_init__(self):
        if self.directions < 1:
            raise ArgumentError(f"gradcheck: directions must be at least 1, not {self.directions}")


def _name_of(f):
    return getattr(f, "__name__", None) or repr(f)


def _float64(inputs):
    """Copies of the inputs as arrays, floating ones in float64."""
    arrays = []
    for value in inputs if isinstance(inputs, (tuple, list)) else [inputs]:
        array = as_tensor(value).data
        arrays.append(array.astype(np.float64 if array.dtype.kind == "f" else array.dtype))
    if not any(array.dtype.kind == "f" for array in arrays):
        dtypes = ", ".join(str(array.dtype) for array in arrays) or "no inputs"
        raise ArgumentError(f"gradcheck: no input holds floating-point numbers ({dtypes})")
    return arrays


def _normal_like(rng, array):
    return array_module(array).asarray(rng.standard_normal(array.shape))


def _check_higher(f, inputs, settings, order):
    """Checks orders 2 to `order`, each as the first order of the gradients of the order below."""
    arrays = _float64(inputs)
    count = len(arrays)
    target = CheckedFunction(f, _name_of(f))
    for current in range(2, order + 1):
        rng = np.random.default_rng([settings.seed, current])
        weights = [_normal_like(rng, output) for output in target.arrays(arrays)]
        gradients = gradient_function(target, len(arrays))
        arrays = [*arrays, *weights]
        target = CheckedFunction(gradients, target.name, current, count)
        _check(target, arrays, settings)


def _check(target, arrays, settings):
    """Checks the first derivatives of `target`, at points nearby where it finds kinks."""
    rng = np.random.default_rng([settings.seed, target.order, 1])
    with np.errstate(all="ignore"):  # a step may leave the domain, which shows in the values
        kink = _check_point(target, arrays, settings, rng)
        for _ in range(_POINTS - 1):
            if kink is None:
                return
            nearby = [_perturbed(rng, array) for array in arrays]
            kink = _check_point(target, nearby, settings, rng)
    if kink is not None:
        raise GradientCheckError(
            f"{target}: {kink}, and at {_POINTS - 1} points nearby; there is no derivative to compare with, "
            "so choose inputs away from there"
        )


def _perturbed(rng, array):
    if array.dtype.kind != "f":
        return array
    return array + _PERTURBATION * _normal_like(rng, array) * (0.1 + abs(array))


def _check_point(target, arrays, settings, rng):
    """Checks all inputs at one point. Returns what is wrong with the point, or None."""
    outputs = target.arrays(arrays)
    _check_same_outputs(target, outputs, target.arrays(arrays))
    weights = [_normal_like(rng, output) for output in outputs]
    gradients = _checked_gradients(target, arrays, weights)
    for index, gradient in enumerate(gradients):
        if gradient is None or not gradient.size:
            continue
        for number in range(1, settings.directions + 1):
            direction = _normal_like(rng, gradient)
            direction /= abs(direction).max()
            line = Line(target.arrays, arrays, weights, index, direction)
            kink = _compare(target, line, gradient, settings, number)
            if kink is not None:
                return kink
    return None


def _check_same_outputs(target, outputs, again):
    same = len(outputs) == len(again) and all(map(_equal, outputs, again))
    if not same:
        raise GradientCheckError(
            f"{target}: called twice with the same inputs, the function gives different outputs; fix its "
            "random numbers before checking"
        )


def _equal(a, b):
    return bool(array_module(a).array_equal(a, b, equal_nan=True))


def _checked_gradients(target, arrays, weights):
    """The gradients by all inputs, after checking that the ordinary and the recorded pass agree."""
    plain = _gradients_at(target, arrays, weights, create_graph=False)
    try:
        recorded = _gradients_at(target, arrays, weights, create_graph=True)
    except GraphError:
        if target.order > 1:
            raise
        return plain  # an operation that says that it cannot be differentiated twice
    for index, (one, other) in enumerate(zip(plain, recorded, strict=True)):
        if one is None or not one.size:
            continue
        gap = float(abs(one - other).max())
        if not gap <= _AGREEMENT * (1e-3 + float(abs(one).max())):
            raise GradientCheckError(
                f"{target}: the gradient by {target.describe(index, one)} from backward_arrays and from the "
                f"recorded backward differ by up to {gap:.3g}"
            )
    return plain


def _gradients_at(target, arrays, weights, create_graph):
    """The gradients as arrays, after checking their shapes, their dtypes, and that nothing was changed."""
    given = [*arrays, *weights]
    copies = [array.copy() for array in given]
    inputs = input_tensors(arrays)
    tensors = [Tensor(weight) for weight in weights]
    gradients = gradients_of(target(inputs), inputs, tensors, create_graph)
    for index, (array, copy) in enumerate(zip(given, copies, strict=True)):
        if not _equal(array, copy):
            what = (
                f"input {index}" if index < len(arrays) else f"the gradient of output {index - len(arrays)}"
            )
            raise GradientCheckError(f"{target}: forward or backward changed {what} in place")
    for index, (gradient, array) in enumerate(zip(gradients, arrays, strict=True)):
        if gradient is not None:
            _check_gradient(f"{target}: the gradient by {target.describe(index, array)}", gradient, array)
    return [None if gradient is None else gradient.data for gradient in gradients]


def _check_gradient(what, gradient, array):
    if gradient.shape != array.shape:
        raise GradientCheckError(f"{what} has shape {gradient.shape}")
    if gradient.dtype != array.dtype:
        raise GradientCheckError(f"{what} is {gradient.dtype}, not {array.dtype}")
    if not bool(array_module(array).isfinite(gradient.data).all()):
        raise GradientCheckError(f"{what} holds NaN or infinity")


def _compare(target, line, gradient, settings, number):
    """Compares the derivative along one line. Returns what is wrong with the point, or None."""
    terms = gradient * line.direction
    analytic, scale = float(terms.sum()), float(abs(terms).sum())
    what = target.describe(line.index, gradient)
    for step in _STEPS:
        numeric, contradiction = difference(line, step)
        allowed = settings.atol + settings.rtol * max(scale, abs(numeric)) + line.rounding(step)
        if not np.isfinite(numeric):
            kink = f"the function is not finite around {what}"
        elif contradiction > allowed:
            kink = f"the function has a kink at {what}"
        elif abs(analytic - numeric) <= allowed:
            return None
        else:
            raise GradientCheckError(
                f"{target}: the gradient by {what} is wrong in direction {number} (seed {settings.seed}): "
                f"backward gives {analytic:.9g}, finite differences give {numeric:.9g} "
                f"(allowed difference {allowed:.2g}){_worst_element(line, gradient, step)}"
            )
    return kink


def _worst_element(line, gradient, step):
    """Names the element whose gradient is furthest off, where trying all of them is cheap."""
    if gradient.size > _LISTED_ELEMENTS:
        return ""
    found = to_numpy(gradient)
    numeric = np.empty(found.shape)
    for position in np.ndindex(found.shape):
        direction = np.zeros(found.shape)
        direction[position] = 1.0
        direction = array_module(gradient).asarray(direction)
        numeric[position], _ = difference(
            Line(line.function, line.arrays, line.weights, line.index, direction), step
        )
    worst = np.unravel_index(np.argmax(abs(found - numeric)), found.shape)
    position = ", ".join(map(str, worst))
    return f"; furthest off is element [{position}]: {found[worst]:.6g} against {numeric[worst]:.6g}"
