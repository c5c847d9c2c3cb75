"""The data sets that recipes train on, by name."""

import numpy as np

from tinynet.data import ImageData, ImageSplit, load_digits, load_fashion_mnist, load_mnist
from tinynet.models.registry import find
from tinynet.recipes.framing import Framing

__all__ = ["available", "framing", "hold_out", "load"]

_LOADERS = {
    "digits": lambda: load_digits(size=32),
    "mnist": load_mnist,
    "fashion-mnist": load_fashion_mnist,
}

_FRAMINGS = {
    "digits": Framing(size=8),
    "mnist": Framing(size=28, margin=4),
    "fashion-mnist": Framing(size=28),
}


def available():
    """The names of the data sets."""
    return list(_LOADERS)


def load(name, largest_pixel=1):
    """Loads a data set.

    Args:
        name: one of `available()`; ``digits`` is enlarged to 32 × 32 pixels.
        largest_pixel: the number for a full pixel; 0 stands for an empty one.

    Returns:
        `ImageData` with float32 images.

    Raises:
        UnknownNameError: there is no such data set.
        DataNotFoundError: it isn't on this machine and cannot be downloaded.
    """
    data = find("data set", name, _LOADERS)()
    if largest_pixel == 1:
        return data
    train, test = (
        ImageSplit(split.images * np.float32(largest_pixel), split.labels)
        for split in (data.train, data.test)
    )
    return ImageData(data.name, train, test, data.class_names)


def framing(name):
    """How the images of this data set were made; see `Framing`. Raises UnknownNameError."""
    return find("data set", name, _FRAMINGS)


def hold_out(split, count, seed):
    """Sets `count` images, drawn at random, aside. Returns the others and those, each an `ImageSplit`."""
    order = np.random.default_rng(seed).permutation(len(split))
    held_out, rest = order[:count], order[count:]
    return (
        ImageSplit(split.images[rest], split.labels[rest]),
        ImageSplit(split.images[held_out], split.labels[held_out]),
    )
