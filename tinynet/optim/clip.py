"""Gradient clipping: bounding the gradients of all parameters together, or each number by itself."""

import math

import numpy as np

from tinynet.autograd import Tensor, versions
from tinynet.backend import array_module, is_on_gpu
from tinynet.errors import AnomalyError, ArgumentError
from tinynet.nn.parameter import Parameter, runs

__all__ = ["clip_grad_norm", "clip_grad_value"]

_KEEPS_DIVISION_FINITE = 1e-6


def clip_grad_norm(parameters, max_norm, norm_type=2.0, *, error_if_nonfinite=False):
    """Scales the gradients of all parameters by one factor so that their common norm is at most `max_norm`.

    Args:
        parameters: a tensor or a sequence of them; those without a gradient are left out.
        max_norm: the largest norm allowed.
        norm_type: the p of the p-norm; ``math.inf`` for the largest absolute value.
        error_if_nonfinite: whether a norm that is infinite or NaN raises instead of spreading.

    Returns:
        The norm before clipping: a Python number, or on a GPU a tensor without axes, so that nobody has to
        wait for it who doesn't read it.

    Raises:
        AnomalyError: the norm is not finite, and `error_if_nonfinite`, for which a GPU is waited for. The
            gradients are then unchanged.

    Source: Pascanu, Mikolov & Bengio, On the Difficulty of Training Recurrent Neural Networks (2013).
    """
    if not max_norm >= 0:
        raise ArgumentError(f"clip_grad_norm: max_norm must be at least 0, not {max_norm!r}")
    if not norm_type > 0:
        raise ArgumentError(f"clip_grad_norm: norm_type must be above 0, not {norm_type!r}")
    gradients = gradient_arrays(parameters)
    on_gpu = any(map(is_on_gpu, gradients))
    norm = _norm_on_gpu(gradients, norm_type) if on_gpu else _norm(gradients, norm_type)
    if error_if_nonfinite and not math.isfinite(norm):
        raise AnomalyError(f"clip_grad_norm: the norm of the gradients is {norm}, so they cannot be clipped")
    if on_gpu:
        _scale_on_gpu(gradients, norm, max_norm)
        return Tensor(norm)
    factor = max_norm / (norm + _KEEPS_DIVISION_FINITE)
    if not factor >= 1:  # a factor of NaN spreads, rather than hide what happened
        with np.errstate(invalid="ignore"):
            for gradient in gradients:
                gradient *= factor
                versions.mark_changed(gradient)
    return norm


def clip_grad_value(parameters, clip_value):
    """Limits every number of the gradients to between ``-clip_value`` and `clip_value`."""
    if not clip_value >= 0:
        raise ArgumentError(f"clip_grad_value: clip_value must be at least 0, not {clip_value!r}")
    for gradient in gradient_arrays(parameters):
        array_module(gradient).clip(gradient, -clip_value, clip_value, out=gradient)
        versions.mark_changed(gradient)


def gradient_arrays(parameters):
    """The gradients as few arrays: a flat one for each run of parameters, one for each other tensor."""
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    flat = [run.gradient for run in runs([t for t in tensors if isinstance(t, Parameter)])]
    others = [t for t in tensors if not isinstance(t, Parameter)]
    return flat + [t.grad.data for t in others if t.requires_grad and t.grad is not None]


def _norm_of_array(array, p):
    xp = array_module(array)
    if p == math.inf:
        return float(xp.abs(array).max()) if array.size else 0.0
    with np.errstate(over="ignore"):
        norm = _norm_as_defined(xp, array, p)
    if norm == math.inf:
        largest = float(xp.abs(array).max())
        if largest < math.inf:  # only the powers were too large
            norm = largest * _norm_as_defined(xp, array / largest, p)
    return norm


def _norm_as_defined(xp, array, p):
    if p == 2:
        flat = array.reshape(-1)
        return math.sqrt(float(flat @ flat))
    return float((xp.abs(array) ** p).sum()) ** (1 / p)


def _norm(gradients, p):
    """The norm of everything from the norms of its parts."""
    norms = [_norm_of_array(gradient, p) for gradient in gradients]
    return float(np.linalg.norm(np.array(norms), p)) if norms else 0.0


def _norm_on_gpu(gradients, p):
    """The same as an array without axes. In float64 no power of a float32 overflows.

    What the gradients are is not looked at, and no product is formed: CuPy leaves those to cuBLAS, which
    refuses to work while a step is captured into a graph.
    """
    xp = array_module(gradients[0])
    parts = []
    for gradient in gradients:
        sizes = xp.abs(gradient.reshape(-1)).astype(np.float64)
        if p == math.inf:
            parts.append(sizes.max() if sizes.size else xp.zeros(()))
        else:
            parts.append((sizes * sizes if p == 2 else sizes**p).sum())
    together = xp.stack(parts)
    return together.max() if p == math.inf else together.sum() ** (1 / p)


def _scale_on_gpu(gradients, norm, max_norm):
    """Multiplies by the factor, or by 1 where the norm is small enough: only the GPU knows."""
    xp = array_module(norm)
    factor = xp.minimum(max_norm / (norm + _KEEPS_DIVISION_FINITE), 1.0)  # NaN stays NaN
    for gradient in gradients:
        gradient *= factor.astype(gradient.dtype)
        versions.mark_changed(gradient)
