"""Trigonometric and hyperbolic functions."""

import numpy as np

from operation_table.core import Operation, away_from, normal, sample, uniform
from operation_table.elementwise import function_of_one


def inside(*shape):
    """Numbers well inside (−1, 1)."""
    return uniform(-0.85, 0.85, *shape)


def above_one(*shape):
    return uniform(1.3, 4.0, *shape)


OPERATIONS = [
    function_of_one("sin", normal),
    function_of_one("cos", normal),
    function_of_one("tan", inside),
    function_of_one("arcsin", inside),
    function_of_one("arccos", inside),
    function_of_one("arctan", normal),
    function_of_one("sinh", normal),
    function_of_one("cosh", normal),
    function_of_one("arcsinh", normal),
    function_of_one("arccosh", above_one),
    function_of_one("arctanh", inside),
    Operation(
        "arctan2",
        (
            sample(normal(3, 4), away_from(0, shape=(3, 4), distance=0.3)),
            sample(normal(4), away_from(0, shape=(3, 1), distance=0.3)),
        ),
        np.arctan2,
        lambda torch, y, x: torch.arctan2(y, x),
    ),
]
