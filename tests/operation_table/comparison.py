"""Comparisons and logic, which have no derivative."""

import numpy as np

from operation_table.core import Operation, booleans, constant, integers, normal, sample

PAIRS = (
    sample(integers(0, 3, 3, 4), integers(0, 3, 3, 4)),
    sample(integers(0, 3, 3, 4), integers(0, 3, 4)),
    sample(normal(3, 1), normal(4)),
)
TRUTHS = (sample(booleans(3, 4), booleans(3, 4)), sample(integers(0, 2, 3, 4), booleans(4)))
SPECIAL = (sample(constant(np.float64([[0, 1, np.nan], [np.inf, -np.inf, -2]]))), sample(normal(3, 4)))


def comparison(name, samples, twin=None):
    return Operation(
        name,
        samples,
        getattr(np, name),
        lambda torch, *inputs: getattr(torch, twin or name)(*inputs),
        orders=0,
    )


OPERATIONS = [
    comparison("equal", PAIRS, "eq"),
    comparison("not_equal", PAIRS),
    comparison("less", PAIRS),
    comparison("less_equal", PAIRS),
    comparison("greater", PAIRS),
    comparison("greater_equal", PAIRS),
    comparison("logical_and", TRUTHS),
    comparison("logical_or", TRUTHS),
    comparison("logical_xor", TRUTHS),
    comparison("logical_not", (sample(booleans(3, 4)), sample(integers(0, 3, 3, 4)))),
    comparison("isnan", SPECIAL),
    comparison("isinf", SPECIAL),
    comparison("isfinite", SPECIAL),
]
