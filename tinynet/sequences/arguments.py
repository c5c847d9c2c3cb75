"""Arguments that the decoders have in common."""

import numpy as np

from tinynet.autograd import as_tensor
from tinynet.backend import to_numpy
from tinynet.errors import ArgumentError, ShapeError

__all__: list[str] = []


def counted_steps(operation, scores, lengths, blank):
    """The steps of each sequence that count: a list of float64 arrays (T, C).

    Raises:
        ShapeError: the scores are not (N, T, C), or the lengths not (N,).
        ArgumentError: a length is out of range, or the blank no class.
    """
    scores = to_numpy(as_tensor(scores).data)
    if scores.ndim != 3 or not scores.shape[2]:
        raise ShapeError(
            f"{operation}: scores must be (N, T, C) with C at least 1, but have shape {scores.shape}"
        )
    N, T, C = scores.shape
    if not 0 <= blank < C:
        raise ArgumentError(f"{operation}: blank is {blank}, which is not one of the {C} classes")
    lengths = np.full(N, T) if lengths is None else to_numpy(as_tensor(lengths).data)
    if lengths.shape != (N,):
        raise ShapeError(
            f"{operation}: input_lengths have shape {lengths.shape}, but scores of shape {scores.shape} need "
            f"({N},)"
        )
    if ((lengths < 0) | (lengths > T)).any():
        raise ArgumentError(f"{operation}: input_lengths must lie in 0 … {T}, but are {lengths.tolist()}")
    return [steps[: int(length)].astype(np.float64) for steps, length in zip(scores, lengths, strict=True)]
