"""The end of a residual block."""

import numpy as np

from operation_table.core import Operation, away_from, sample, uniform

OPERATIONS = [
    Operation(
        "add_relu",
        (
            # One operand stays away from zero by more than the other can bring it back.
            sample(away_from(0.0, shape=(3, 4), distance=0.5), uniform(-0.3, 0.3, 3, 4)),
            sample(away_from(0.0, shape=(2, 3, 3, 2), distance=0.5), uniform(-0.3, 0.3, 2, 3, 3, 2)),
            sample(away_from(0.0, shape=(2, 3, 4), distance=0.5), uniform(-0.3, 0.3, 4)),
            sample(away_from(0.0, shape=(3, 1), distance=0.5), uniform(-0.3, 0.3, 1, 4)),
        ),
        lambda x, y: np.maximum(x + y, 0),
        lambda torch, x, y: torch.relu(x + y),
    ),
]
