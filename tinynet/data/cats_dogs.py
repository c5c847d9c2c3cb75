"""Photographs of cats and dogs, from the training images of Kaggle's "Dogs vs. Cats" competition.

Source: J. Elson, J. Douceur, J. Howell, J. Saul, "Asirra: A CAPTCHA that Exploits Interest-Aligned Manual
Image Categorization", CCS 2007.
"""

import re

import numpy as np

from tinynet.data.decoding import decode_image
from tinynet.data.files import locate, not_found
from tinynet.data.image_data import ImageData, ImageSplit, convert_pixels
from tinynet.data.transforms import pair
from tinynet.errors import ArgumentError, DataError

__all__ = ["CATS_DOGS_CLASSES", "load_cats_dogs"]

CATS_DOGS_CLASSES = ("cat", "dog")

FOLDERS = ("cat", "train")
FILE_NAME = re.compile(r"(cat|dog)\.(\d+)\.jpg")
SPLIT_SEED = 0


def load_cats_dogs(size=50, test_share=0.2, dtype=np.float32):
    """Loads the labelled photographs, all brought to one size.

    They are looked for in ``cats-dogs/`` under ``$TINYNET_DATA`` and in the user's cache folder: JPEG files
    named ``cat.N.jpg`` and ``dog.N.jpg``, in folders ``cat/`` and ``dog/``, or together in ``train/`` as the
    competition's archive has them. They are not downloaded: who enters the competition accepts its rules.

    Args:
        size: (height, width), or one number for both.
        test_share: which part of each class is held out, always the same images.
        dtype: uint8 gives pixels from 0 to 255, a floating dtype numbers from 0 to 1.

    Returns:
        `ImageData`: images (N, H, W, 3) in RGB, labels 0 for cats and 1 for dogs.

    Raises:
        DataNotFoundError: the files aren't there.
        DataError: a file is damaged, or a class has no photograph.
        MissingExtraError: Pillow isn't installed.
    """
    size = pair("load_cats_dogs", "size", size, least=1)
    if not 0 < test_share < 1:
        raise ArgumentError(f"load_cats_dogs: test_share should lie between 0 and 1, not {test_share}")
    found = locate("cats-dogs", *FOLDERS)
    if found is None:
        advice = (
            "Its images come from www.kaggle.com/c/dogs-vs-cats; TINYNET_DATA names the folder that holds "
            "the data sets."
        )
        raise not_found("cats-dogs", FOLDERS, advice)
    rng = np.random.default_rng(SPLIT_SEED)
    train, test = [], []
    for label, paths in enumerate(_paths_by_class(found.parent)):
        order = rng.permutation(len(paths))
        held_out = round(test_share * len(paths))
        test += [(paths[index], label) for index in order[:held_out]]
        train += [(paths[index], label) for index in order[held_out:]]
    splits = (_read(samples, size, dtype) for samples in (train, test))
    return ImageData(f"cats and dogs, {len(train) + len(test):,} photographs", *splits, CATS_DOGS_CLASSES)


def _paths_by_class(root):
    """The files of each class, in the order of their numbers."""
    numbered = {name: [] for name in CATS_DOGS_CLASSES}
    for folder in (*CATS_DOGS_CLASSES, "train"):
        for path in (root / folder).glob("*.jpg"):
            match = FILE_NAME.fullmatch(path.name)
            if match:
                numbered[match[1]].append((int(match[2]), path))
    for name, paths in numbered.items():
        if not paths:
            raise DataError(f"{root}: no photograph named {name}.N.jpg")
    return [[path for _, path in sorted(paths)] for paths in numbered.values()]


def _read(samples, size, dtype):
    pixels = np.empty((len(samples), *size, 3), np.uint8)
    for index, (path, _) in enumerate(samples):
        pixels[index] = decode_image(path, path, size=size)
    labels = np.array([label for _, label in samples], dtype=np.int64)
    return ImageSplit(convert_pixels(pixels, dtype), labels)
