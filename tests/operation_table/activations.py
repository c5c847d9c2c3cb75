"""Activation functions, each on both sides of its kinks."""

import math

import numpy as np

from operation_table.core import Operation, away_from, normal, sample, uniform

error_function = np.vectorize(math.erf, otypes=[float])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x, beta=1.0, threshold=20.0):
    return np.where(beta * x > threshold, x, np.log1p(np.exp(beta * x)) / beta)


def elu(x, alpha=1.0, scale=1.0):
    return scale * np.where(x > 0, x, alpha * (np.exp(x) - 1))


def gelu(x, approximate=False):
    if approximate:
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + error_function(x / np.sqrt(2)))


def softmax(x, axis=-1):
    exponentials = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def kinked(*kinks):
    return (
        sample(away_from(*kinks, shape=(3, 4), spread=3.0)),
        sample(away_from(*kinks, shape=(2, 3, 2), spread=8.0)),
    )


SMOOTH = (sample(normal(3, 4)), sample(uniform(-12.0, 12.0, 2, 2, 3)), sample(normal()))
AXES = (
    sample(normal(3, 4)),
    sample(normal(5)),
    sample(normal(3, 4), axis=0),
    sample(normal(2, 3, 4), axis=1),
    sample(uniform(-30.0, 30.0, 2, 3), axis=-1),
)

OPERATIONS = [
    Operation("relu", kinked(0), lambda x: np.maximum(x, 0), lambda torch, x: torch.nn.functional.relu(x)),
    Operation(
        "leaky_relu",
        (*kinked(0), sample(away_from(0, shape=(3, 4)), negative_slope=0.3)),
        lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
        lambda torch, x, **options: torch.nn.functional.leaky_relu(x, **options),
    ),
    Operation(
        "relu6",
        kinked(0, 6),
        lambda x: np.minimum(np.maximum(x, 0), 6),
        lambda torch, x: torch.nn.functional.relu6(x),
    ),
    Operation(
        "hard_tanh",
        (*kinked(-1, 1), sample(away_from(-0.5, 2, shape=(3, 4)), low=-0.5, high=2)),
        lambda x, low=-1, high=1: np.minimum(np.maximum(x, low), high),
        lambda torch, x, low=-1.0, high=1.0: torch.nn.functional.hardtanh(x, low, high),
    ),
    Operation(
        "hard_sigmoid",
        kinked(-3, 3),
        lambda x: np.minimum(np.maximum(x + 3, 0), 6) / 6,
        # torch.nn.functional.hardsigmoid has the slope 1/6 with the digits of float32 only.
        lambda torch, x: torch.nn.functional.relu6(x + 3) / 6,
    ),
    Operation(
        "hard_swish",
        kinked(-3, 3),
        lambda x: x * np.minimum(np.maximum(x + 3, 0), 6) / 6,
        lambda torch, x: torch.nn.functional.hardswish(x),
    ),
    Operation(
        "elu",
        (*kinked(0), sample(away_from(0, shape=(3, 4)), alpha=0.4)),
        elu,
        lambda torch, x, **options: torch.nn.functional.elu(x, **options),
    ),
    Operation(
        "selu",
        kinked(0),
        lambda x: elu(x, 1.6732632423543772, 1.0507009873554805),
        lambda torch, x: torch.nn.functional.selu(x),
    ),
    Operation(
        "prelu",
        (
            sample(away_from(0, shape=(3, 4)), uniform(0.1, 0.5, 4)),
            sample(away_from(0, shape=(2, 3, 2)), uniform(0.1, 0.5, 1)),
            sample(away_from(0, shape=(3, 4)), uniform(0.1, 0.5)),
        ),
        lambda x, weight: np.where(x > 0, x, weight * x),
        lambda torch, x, weight: torch.nn.functional.prelu(x.movedim(-1, 1), weight).movedim(1, -1),
    ),
    Operation("sigmoid", SMOOTH, sigmoid, lambda torch, x: torch.sigmoid(x)),
    Operation("tanh", SMOOTH, np.tanh, lambda torch, x: torch.tanh(x)),
    Operation(
        "log_sigmoid",
        SMOOTH,
        lambda x: np.log(sigmoid(x)),
        lambda torch, x: torch.nn.functional.logsigmoid(x),
    ),
    Operation(
        "softplus",
        (
            *SMOOTH,
            sample(normal(3, 4), beta=2.0),
            sample(away_from(1, shape=(3, 4)), beta=1.5, threshold=1.5),
            sample(uniform(15.0, 19.0, 3, 4), threshold=17.0),
        ),
        softplus,
        lambda torch, x, **options: torch.nn.functional.softplus(x, **options),
    ),
    Operation(
        "softsign",
        kinked(0),
        lambda x: x / (1 + np.abs(x)),
        lambda torch, x: torch.nn.functional.softsign(x),
    ),
    Operation("silu", SMOOTH, lambda x: x * sigmoid(x), lambda torch, x: torch.nn.functional.silu(x)),
    Operation(
        "mish",
        SMOOTH,
        lambda x: x * np.tanh(np.log1p(np.exp(x))),
        lambda torch, x: torch.nn.functional.mish(x),
    ),
    Operation(
        "gelu",
        (*SMOOTH, sample(normal(3, 4), approximate="tanh"), sample(normal(3, 4), approximate=True)),
        gelu,
        lambda torch, x, approximate=False: torch.nn.functional.gelu(
            x, approximate="tanh" if approximate else "none"
        ),
    ),
    Operation("softmax", AXES, softmax, lambda torch, x, axis=-1: torch.nn.functional.softmax(x, dim=axis)),
    Operation(
        "log_softmax",
        AXES,
        lambda x, axis=-1: np.log(softmax(x, axis)),
        lambda torch, x, axis=-1: torch.nn.functional.log_softmax(x, dim=axis),
    ),
]
