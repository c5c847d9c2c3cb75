"""L-BFGS: minimising a smooth function of many variables by its gradient.

From the last few steps it knows how the gradient changes, which stands in for the second derivative. Where
the whole data set is one batch it needs tens of steps where gradient descent needs thousands.

Sources: J. Nocedal and S. Wright, "Numerical Optimization", 2nd edition, 2006, algorithms 7.4 and 7.5; W.
Hager and H. Zhang, "A new conjugate gradient method with guaranteed descent and an efficient line search",
2005, for the end of the line search.
"""

from collections import deque
from typing import NamedTuple

import numpy as np

__all__ = ["Minimum", "minimize"]

SUFFICIENT_DECREASE = 1e-4
SHORTEST_STEP = 1e-12
ROUNDING = 1e-11  # of the value: a decrease that drowns in the rounding of long sums


class Minimum(NamedTuple):
    """Where a minimisation ended.

    Attributes:
        point: the variables.
        value: the function there.
        steps: how many steps led there.
        converged: whether the gradient is below the tolerance.
    """

    point: np.ndarray
    value: float
    steps: int
    converged: bool


def minimize(function, start, steps=200, tolerance=1e-7, memory=10):
    """The minimum of a convex function, or a local one of another function.

    Args:
        function: ``function(point)``, a pair of its value and its gradient, an array like `point`.
        start: (n,) float64.
        steps: how many at most.
        tolerance: the largest component of the gradient at which it ends.
        memory: how many steps are remembered.

    Returns:
        A `Minimum`. It isn't ``converged`` if the steps ran out, or rounding hid any further decrease.
    """
    point = np.array(start, np.float64)
    value, gradient = function(point)
    remembered = deque(maxlen=memory)
    for step in range(steps):
        if np.abs(gradient).max(initial=0.0) <= tolerance:
            return Minimum(point, value, step, True)
        direction = -_inverse_curvature_times(gradient, remembered)
        slope = direction @ gradient
        # The first direction is the bare gradient, whose length says nothing about how far to go.
        length = 1.0 if remembered else min(1.0, 1.0 / np.abs(gradient).sum())
        while True:
            following = point + length * direction
            lower, changed = function(following)
            if _is_enough(lower - value, changed @ direction, length, slope, ROUNDING * abs(value)):
                break
            length /= 2
            if length < SHORTEST_STEP:
                return Minimum(point, value, step, False)
        moved, bent = following - point, changed - gradient
        if moved @ bent > 1e-12 * (bent @ bent):
            remembered.append((moved, bent, 1.0 / (moved @ bent)))
        point, value, gradient = following, lower, changed
    return Minimum(point, value, steps, bool(np.abs(gradient).max(initial=0.0) <= tolerance))


def _is_enough(change, slope_there, length, slope, rounding):
    """Whether a step made the value fall by enough for its length (Armijo's rule).

    Where a change can't be told from rounding, the slopes at both ends take its place: for a parabola the
    rule is the same as that the slope may not rise beyond the other side of 0.
    """
    if change <= SUFFICIENT_DECREASE * length * slope:
        return True
    return change <= rounding and slope_there <= (2 * SUFFICIENT_DECREASE - 1) * slope


def _inverse_curvature_times(gradient, remembered):
    """The two loops of algorithm 7.4: the inverse of the remembered curvature times the gradient."""
    result = gradient.copy()
    weights = []
    for moved, bent, inverse in reversed(remembered):
        weight = inverse * (moved @ result)
        weights.append(weight)
        result -= weight * bent
    if remembered:
        moved, bent, _ = remembered[-1]
        result *= (moved @ bent) / (bent @ bent)
    for (moved, bent, inverse), weight in zip(remembered, reversed(weights), strict=True):
        result += (weight - inverse * (bent @ result)) * moved
    return result
