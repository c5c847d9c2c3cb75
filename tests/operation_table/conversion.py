"""Copies and conversions; those that change the dtype are tested by hand."""

import numpy as np

from operation_table.core import Operation, normal, sample

OPERATIONS = [
    Operation("clone", (sample(normal(3, 4)), sample(normal())), np.copy, lambda torch, x: torch.clone(x)),
    Operation(
        "cast", (sample(normal(3, 4)),), lambda x: x, function=lambda x: x.astype(np.float64).astype(x.dtype)
    ),
    Operation(
        "to", (sample(normal(3, 4)),), lambda x: x, function=lambda x: x.to(x.device).to(dtype=x.dtype)
    ),
]
