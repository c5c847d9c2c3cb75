"""Layers, forward and backward through the graph, as training runs them.

python -m benchmarks.layers [--rounds 7] [--only NAME] [--full]
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

import tinynet as tn
from benchmarks.comparison import OURS, Comparison, check_agreement, run_alone
from benchmarks.place import as_numpy, has_pytorch, here, ours, theirs
from benchmarks.pytorch import as_in_pytorch, channels_first, memory_formats, torch
from tinynet import functional as F
from tinynet import nn

__all__ = ["LAYERS", "candidates", "comparisons", "cross_entropies"]

FLOAT_BYTES = 4

# Relative. Rounding decides on which side of 0 a handful of the inputs of a ReLU lie, and with that whether a
# gradient passes: single numbers differ wholly.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Layer:
    """A layer, or a few in a row, on images.

    Attributes:
        name: what stands in tables and pictures.
        input_shape: (N, H, W, C).
        build: makes it in tinynet.
        twin: makes it in PyTorch, given ``torch.nn``.
        passes: how many arrays as large as the input forward and backward read or write at the least, if
            each were touched once.
        is_additional: whether only the full run measures it.
    """

    name: str
    input_shape: tuple
    build: Callable
    twin: Callable
    passes: float
    is_additional: bool = False


IMAGES = (32, 56, 56, 64)

LAYERS = (
    Layer("max pooling 2×2", IMAGES, lambda: nn.MaxPool2d(2), lambda nn: nn.MaxPool2d(2), 2.5),
    Layer("average pooling 2×2", IMAGES, lambda: nn.AvgPool2d(2), lambda nn: nn.AvgPool2d(2), 2.5),
    Layer("batch norm", IMAGES, lambda: nn.BatchNorm2d(64), lambda nn: nn.BatchNorm2d(64), 5),
    Layer(
        "batch norm + ReLU",
        IMAGES,
        lambda: nn.Sequential(nn.BatchNorm2d(64), nn.ReLU()),
        lambda nn: nn.Sequential(nn.BatchNorm2d(64), nn.ReLU(inplace=True)),
        6,
    ),
    Layer("ReLU", IMAGES, lambda: nn.ReLU(), lambda nn: nn.ReLU(), 5),
    Layer("GELU", IMAGES, lambda: nn.GELU(), lambda nn: nn.GELU(), 5),
    Layer(
        "convolution 3×3, 64→64, + ReLU",
        IMAGES,
        lambda: nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()),
        lambda nn: nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(inplace=True)),
        0,
        is_additional=True,
    ),
    Layer(
        "max pooling 3×3, stride 2",
        IMAGES,
        lambda: nn.MaxPool2d(3, 2, padding=1),
        lambda nn: nn.MaxPool2d(3, 2, padding=1),
        2.5,
        is_additional=True,
    ),
    Layer("tanh", IMAGES, lambda: nn.Tanh(), lambda nn: nn.Tanh(), 5, is_additional=True),
    Layer("sigmoid", IMAGES, lambda: nn.Sigmoid(), lambda nn: nn.Sigmoid(), 5, is_additional=True),
)

LOGITS = (4096, 1000)
TOKENS = (8192, 768)  # what layer normalisation is mostly used on: vectors of sequences


def comparisons(full=False):
    """One comparison for each layer, one for layer normalisation, and one for the cross-entropy."""
    layers = [
        Comparison(
            f"{layer.name}, {'×'.join(map(str, layer.input_shape))}",
            "layers, forward + backward",
            lambda layer=layer: candidates(layer),
            bytes=int(layer.passes * prod(layer.input_shape) * FLOAT_BYTES),
            in_picture=not layer.is_additional,
        )
        for layer in LAYERS
        if full or not layer.is_additional
    ]
    layer_norm = Comparison(
        f"layer norm, {TOKENS[0]}×{TOKENS[1]}",
        "layers, forward + backward",
        lambda: layer_norms(*TOKENS),
        bytes=5 * prod(TOKENS) * FLOAT_BYTES,
    )
    cross_entropy = Comparison(
        f"soft-max cross-entropy, {LOGITS[0]}×{LOGITS[1]}",
        "layers, forward + backward",
        lambda: cross_entropies(*LOGITS),
        bytes=3 * prod(LOGITS) * FLOAT_BYTES,
    )
    return [*layers, layer_norm, cross_entropy]


def candidates(layer):
    """Candidates for a layer, forward and backward."""
    generator = np.random.default_rng(0)
    images = generator.standard_normal(layer.input_shape, dtype=np.float32)
    tn.manual_seed(0)
    module = here(layer.build())
    gradient = generator.standard_normal(module(ours(images)).shape, dtype=np.float32)
    functions = {OURS: _in_tinynet(module, images, gradient)}
    for name, memory_format in memory_formats().items():
        twin = here(layer.twin(torch.nn).to(memory_format=memory_format))
        with torch.no_grad():
            for parameter, own in zip(twin.parameters(), module.parameters(), strict=True):
                parameter.copy_(as_in_pytorch(own.numpy()))
        functions[name] = _in_pytorch(twin, images, gradient, memory_format)
    return _checked(functions, lambda tensor: np.moveaxis(as_numpy(tensor), 1, -1))


def _in_tinynet(module, images, gradient):
    x, gy = ours(images, requires_grad=True), ours(gradient)

    def run():
        x.grad = None
        module.zero_grad()
        y = module(x)
        y.backward(gy)
        return y, x.grad

    return run


def _in_pytorch(module, images, gradient, memory_format):
    x = channels_first(images, memory_format).requires_grad_()
    return _backward_in_pytorch(module, x, channels_first(gradient, memory_format))


def _backward_in_pytorch(module, x, gy):
    def run():
        x.grad = None
        module.zero_grad(set_to_none=True)
        y = module(x)
        y.backward(gy)
        return y, x.grad

    return run


def layer_norms(rows, columns):
    """Candidates for the layer normalisation of a matrix, forward and backward."""
    generator = np.random.default_rng(0)
    x, gradient = generator.standard_normal((2, rows, columns), dtype=np.float32)
    candidates = {OURS: _in_tinynet(here(nn.LayerNorm(columns)), x, gradient)}
    if has_pytorch():
        twin, gy = here(torch.nn.LayerNorm(columns)), theirs(gradient)
        candidates["PyTorch"] = _backward_in_pytorch(twin, theirs(x.copy()).requires_grad_(), gy)
    return _checked(candidates, as_numpy)


def cross_entropies(rows, classes):
    """Candidates for the cross-entropy of logits (rows, classes), forward and backward."""
    generator = np.random.default_rng(0)
    logits = generator.standard_normal((rows, classes), dtype=np.float32)
    labels = generator.integers(classes, size=rows)
    x, targets = ours(logits, requires_grad=True), ours(labels)
    candidates = {OURS: _loss(x, targets, F.cross_entropy)}
    if has_pytorch():
        x_twin, targets_twin = theirs(logits.copy()).requires_grad_(), theirs(labels)
        candidates["PyTorch"] = _loss(x_twin, targets_twin, torch.nn.functional.cross_entropy)
    return _checked(candidates, as_numpy)


def _loss(x, targets, cross_entropy):
    def run():
        x.grad = None
        loss = cross_entropy(x, targets)
        loss.backward()
        return loss, x.grad

    return run


def _checked(candidates, as_ours):
    results = {
        name: [as_numpy(tensor) if name == OURS else as_ours(tensor) for tensor in run()]
        for name, run in candidates.items()
    }
    for index in range(2):
        check_agreement({name: arrays[index] for name, arrays in results.items()}, TOLERANCE)
    return candidates


if __name__ == "__main__":
    run_alone(__doc__, comparisons)
