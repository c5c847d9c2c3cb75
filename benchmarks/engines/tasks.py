"""What all engines do: train three networks, from the same weights on the same batch, and run two chains."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = [
    "CHAINS",
    "FLATTEN",
    "LEARNING_RATE",
    "NETWORKS",
    "POOL",
    "RELU",
    "Chain",
    "Convolution",
    "Dense",
    "Network",
]

LEARNING_RATE = 1e-3


class Convolution(NamedTuple):
    """A convolution with bias and stride 1: a square window, zeros around the image."""

    in_channels: int
    channels: int
    window: int
    padding: int = 0


class Dense(NamedTuple):
    """A dense layer with bias."""

    in_features: int
    features: int


RELU = "relu"
POOL = "max pooling 2×2"
FLATTEN = "flatten"  # in the order C, H, W


@dataclass(frozen=True)
class Network:
    """A network and the batch on which its training by stochastic gradient descent is measured.

    Attributes:
        name: what stands in the table.
        batch_size: examples in a batch.
        input_shape: of one example: (C, H, W) or (features,).
        layers: `Convolution`, `Dense`, `RELU`, `POOL` or `FLATTEN`, in their order.
        flattened: the shape (C, H, W) of what gets flattened.
    """

    name: str
    batch_size: int
    input_shape: tuple
    layers: tuple
    flattened: tuple = ()

    def batch(self):
        """Random examples (N, *input_shape), float32, and labels (N,), int64."""
        generator = np.random.default_rng(1)
        examples = generator.standard_normal((self.batch_size, *self.input_shape), dtype=np.float32)
        return examples, generator.integers(10, size=self.batch_size)

    def weights(self):
        """(weight, bias) of each layer that has them, float32.

        Weights are (channels, in_channels, window, window) or (in_features, features), drawn as He et al. do.
        """
        generator = np.random.default_rng(0)
        pairs = []
        for layer in self.layers:
            if isinstance(layer, Convolution):
                shape = (layer.channels, layer.in_channels, layer.window, layer.window)
                inputs, outputs = layer.in_channels * layer.window**2, layer.channels
            elif isinstance(layer, Dense):
                shape, inputs, outputs = tuple(layer), layer.in_features, layer.features
            else:
                continue
            weight = generator.standard_normal(shape, dtype=np.float32) * np.float32((2 / inputs) ** 0.5)
            pairs.append((weight, np.zeros(outputs, np.float32)))
        return pairs


@dataclass(frozen=True)
class Chain:
    """`length` operations in a row on arrays so small that the graph takes the time, forward and backward.

    Attributes:
        name: what stands in the table.
        operation: of y, which goes through the chain, and x, which is the same everywhere.
        length: how many; MyGrad goes back by recursion and cannot do a thousand.
    """

    name: str
    operation: object
    length: int = 300

    def values(self):
        """The first y and x, float32 (10,): x is near 1, so that a product stays within bounds."""
        generator = np.random.default_rng(0)
        start = generator.standard_normal(10, dtype=np.float32)
        return start, 1 + generator.standard_normal(10, dtype=np.float32) * np.float32(1e-3)

    def run(self, start, x):
        """The last y; in any engine."""
        y = start
        for _ in range(self.length):
            y = self.operation(y, x)
        return y


NETWORKS = (
    Network(
        *("784-200-200-10, batch 200", 200, (784,)),
        (Dense(784, 200), RELU, Dense(200, 200), RELU, Dense(200, 10)),
    ),
    Network(
        *("LeNet-5, batch 128", 128, (1, 28, 28)),
        (
            *(Convolution(1, 6, 5, padding=2), RELU, POOL),
            *(Convolution(6, 16, 5), RELU, POOL, FLATTEN),
            *(Dense(400, 120), RELU, Dense(120, 84), RELU, Dense(84, 10)),
        ),
        flattened=(16, 5, 5),
    ),
    Network(
        *("B3 without dropout, batch 128", 128, (1, 28, 28)),
        (
            *(Convolution(1, 32, 3), RELU, Convolution(32, 64, 3), RELU, POOL, FLATTEN),
            *(Dense(9216, 128), RELU, Dense(128, 10)),
        ),
        flattened=(64, 12, 12),
    ),
)

CHAINS = (
    Chain("an addition of 10 numbers", lambda y, x: y + x),
    Chain("a multiplication", lambda y, x: y * x),
)
