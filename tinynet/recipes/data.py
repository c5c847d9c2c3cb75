"""The data sets that recipes train on, by name."""

from functools import partial

import numpy as np

from tinynet.data import (
    ImageSplit,
    load_cats_dogs,
    load_cifar10,
    load_digits,
    load_fashion_mnist,
    load_mnist,
)
from tinynet.models.registry import find
from tinynet.recipes.base import Pixels
from tinynet.recipes.framing import Framing

__all__ = ["available", "framing", "hold_out", "load", "prepare"]

_LOADERS = {
    "digits": lambda: load_digits(size=32),
    "digits-28": lambda: load_digits(size=28),
    "mnist": load_mnist,
    "fashion-mnist": load_fashion_mnist,
    "cifar10": load_cifar10,
    "cifar10-jpeg": partial(load_cifar10, "jpeg"),
    "cifar10-lossless": partial(load_cifar10, "lossless"),
    "cats-dogs": partial(load_cats_dogs, size=50),
    "cats-dogs-96": partial(load_cats_dogs, size=96),
}

_FRAMINGS = {
    "digits": Framing(size=8),
    "digits-28": Framing(size=8),
    "mnist": Framing(size=28, margin=4),
    "fashion-mnist": Framing(size=28),
}


def available():
    """The names of the data sets."""
    return list(_LOADERS)


def load(name):
    """Loads a data set.

    Args:
        name: one of `available()`; ``digits`` is enlarged to 32 × 32 pixels, ``digits-28``
            to 28 × 28, ``cats-dogs`` is reduced to 50 × 50, ``cats-dogs-96`` to 96 × 96.

    Returns:
        `ImageData` with float32 images, pixels from 0 to 1.

    Raises:
        UnknownNameError: there is no such data set.
        DataNotFoundError: it isn't on this machine and cannot be downloaded.
    """
    return find("data set", name, _LOADERS)()


def prepare(split, pixels):
    """The images of a split as a network is given them: an `ImageSplit`, the same one if nothing changes."""
    return split if pixels == Pixels() else ImageSplit(pixels.prepare(split.images), split.labels)


def framing(name):
    """How the images of this data set were made, see `Framing`; None for photographs.

    Raises UnknownNameError.
    """
    find("data set", name, _LOADERS)
    return _FRAMINGS.get(name)


def hold_out(split, count, seed):
    """Sets `count` images, drawn at random, aside. Returns the others and those, each an `ImageSplit`."""
    order = np.random.default_rng(seed).permutation(len(split))
    held_out, rest = order[:count], order[count:]
    return (
        ImageSplit(split.images[rest], split.labels[rest]),
        ImageSplit(split.images[held_out], split.labels[held_out]),
    )
