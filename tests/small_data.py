"""Small data sets that stand in for the real ones where a test runs recipes."""

from functools import partial

import numpy as np

from tinynet.data import CATS_DOGS_CLASSES, CIFAR10_CLASSES, ImageData, ImageSplit


def small_digits(name="digits", size=32, train=96, test=40):
    """Ten patterns of blocks, one for each class, with noise: learnt in a few steps, made in no time."""
    rng = np.random.default_rng(7)
    patterns = np.kron(rng.random((10, 4, 4)) > 0.5, np.ones((size // 4, size // 4)))

    def split(count):
        labels = np.arange(count) % 10
        images = 0.8 * patterns[labels] + 0.2 * rng.random((count, size, size))
        return ImageSplit(images[..., np.newaxis].astype(np.float32), labels.astype(np.int64))

    return ImageData(name, split(train), split(test), tuple("0123456789"))


def small_photographs(name, size, class_names, train=48, test=16):
    """One colour for each class, with noise."""
    rng = np.random.default_rng(11)
    colours = rng.random((len(class_names), 3))

    def split(count):
        labels = np.arange(count) % len(class_names)
        images = 0.7 * colours[labels][:, np.newaxis, np.newaxis] + 0.3 * rng.random((count, size, size, 3))
        return ImageSplit(images.astype(np.float32), labels.astype(np.int64))

    return ImageData(name, split(train), split(test), class_names)


def use_small_data(monkeypatch):
    """Makes the recipes' loaders give small data under the names of the real sets."""
    from tinynet.recipes import data

    loaders = {
        "digits": small_digits,
        "digits-28": lambda: small_digits(size=28),
        "mnist": lambda: small_digits("mnist", 28),
        "fashion-mnist": lambda: small_digits("fashion-mnist", 28),
        "cifar10": partial(small_photographs, "cifar10", 32, CIFAR10_CLASSES),
        "cifar10-jpeg": partial(small_photographs, "cifar10, JPEG part", 32, CIFAR10_CLASSES),
        "cats-dogs": partial(small_photographs, "cats and dogs", 50, CATS_DOGS_CLASSES),
        "cats-dogs-96": partial(small_photographs, "cats and dogs", 96, CATS_DOGS_CLASSES),
    }
    monkeypatch.setattr(data, "_LOADERS", loaders)
