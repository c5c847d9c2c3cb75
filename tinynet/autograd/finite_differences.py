"""Directional derivatives by central differences, with a measure of whether they can be believed.

Two step sizes are extrapolated to step zero: Richardson, "The approximate arithmetical solution by finite
differences of physical problems involving differential equations", 1911.
"""

import numpy as np

__all__ = ["Line", "difference"]


class Line:
    """A weighted sum of a function's outputs, as a function of the step along one direction.

    Args:
        function: takes a list of float64 (and integer) arrays, gives a list of arrays.
        arrays: the point at which the line begins.
        weights: what to multiply each output with before summing.
        index: which of `arrays` is moved.
        direction: along which it is moved, of the same shape.
    """

    def __init__(self, function, arrays, weights, index, direction):
        self.function = function
        self.arrays = arrays
        self.weights = weights
        self.index = index
        self.direction = direction
        self.magnitude = 0.0

    def value(self, step):
        """The weighted sum after a step; `magnitude` keeps the largest sum of its absolute terms."""
        moved = list(self.arrays)
        moved[self.index] = moved[self.index] + step * self.direction
        outputs = self.function(moved)
        terms = [output * weight for output, weight in zip(outputs, self.weights, strict=True)]
        self.magnitude = max(self.magnitude, sum(float(abs(term).sum()) for term in terms))
        return sum(float(term.sum()) for term in terms)

    def rounding(self, step):
        """How far rounding in the values can throw a difference with this step off."""
        return 32 * np.finfo(np.float64).eps * self.magnitude / step


def difference(line, step):
    """The derivative at the beginning of the line, and how far its estimates contradict each other.

    The contradiction is of the order of the jump of the derivative where there is a kink within reach of
    the step, on either side or at the point itself, and of the order of the squared step where there is
    none.
    """
    middle = line.value(0.0)
    right, left = line.value(step), line.value(-step)
    near_right, near_left = line.value(step / 2), line.value(-step / 2)
    coarse = (right - left) / (2 * step)
    fine = (near_right - near_left) / step
    # Difference of the derivatives from both sides: proportional to the step where the line is smooth.
    bend = (right - 2 * middle + left) / step
    near_bend = (near_right - 2 * middle + near_left) / (step / 2)
    return (4 * fine - coarse) / 3, max(abs(coarse - fine), abs(bend - 2 * near_bend))
