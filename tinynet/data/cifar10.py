"""CIFAR-10: colour images of 32×32 pixels in ten classes; the official archives, and two parts of the set.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

import io
import re

import numpy as np

from tinynet.data.archives import read_members
from tinynet.data.array_pickle import load_array_pickle
from tinynet.data.decoding import decode_image
from tinynet.data.files import RemoteFile, fetch, locate, not_found
from tinynet.data.image_data import ImageData, ImageSplit, convert_pixels
from tinynet.errors import ArgumentError, DataError

__all__ = ["CIFAR10_CLASSES", "load_cifar10", "read_cifar10_archive"]

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

BINARY_ARCHIVE = RemoteFile(
    "cifar-10-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    170_052_171,
)
PYTHON_ARCHIVE_NAME = "cifar-10-python.tar.gz"
JPEG_ARCHIVE_NAME = "cifar10_jpeg_train10000_test10000.tar.xz"

PIXELS = 32 * 32 * 3
IMAGES_PER_BATCH = 10_000
TRAIN_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_BATCH = "test_batch"
MAX_ARCHIVE_BYTES = 256 << 20
JPEG_MEMBER = re.compile(r"(train|test)/(\w+)/\d+\.jpg")


def load_cifar10(variant="official", dtype=np.float32):
    """Loads CIFAR-10, or a part of it.

    Args:
        variant: which files, all looked for in ``cifar10/`` under ``$TINYNET_DATA`` and in the user's
            cache folder:

            * ``"official"``: the whole set, 50,000 + 10,000 images, from ``cifar-10-binary.tar.gz`` or
              ``cifar-10-python.tar.gz``; the binary archive is downloaded (170 MB) when neither is there.
            * ``"lossless"``: the first 4,000 training images, pixel for pixel, from PNG files; the
              first 3,000 to train, and the last 1,000, which are no official test images, to test.
            * ``"jpeg"``: 10,000 training images and all 10,000 test images, re-encoded as JPEG. The
              loss makes them harder: results are not comparable with published ones.
        dtype: uint8 gives pixels from 0 to 255, a floating dtype numbers from 0 to 1.

    Returns:
        `ImageData`: images (N, 32, 32, 3) in RGB, labels (N,) int64; its name says which variant it is.

    Raises:
        DataNotFoundError: the files aren't there and cannot be downloaded.
        DataError: a file is damaged or isn't what its name says.
        MissingExtraError: the lossless and jpeg variants need Pillow.
    """
    loaders = {"official": _load_official, "lossless": _load_lossless, "jpeg": _load_jpeg}
    if variant not in loaders:
        raise ArgumentError(f"load_cifar10: variant should be one of {', '.join(loaders)}, not {variant!r}")
    name, train, test = loaders[variant]()
    splits = (ImageSplit(convert_pixels(pixels, dtype), labels) for pixels, labels in (train, test))
    return ImageData(name, *splits, CIFAR10_CLASSES)


def _load_official():
    path = fetch("cifar10", BINARY_ARCHIVE, alternatives=[PYTHON_ARCHIVE_NAME])
    return "cifar10", *read_cifar10_archive(path)


def read_cifar10_archive(path, images_per_batch=IMAGES_PER_BATCH):
    """Reads an official archive, the binary or the Python one, told apart by what it holds.

    Args:
        path: the ``.tar.gz`` file.
        images_per_batch: how many images each of the six batches must have.

    Returns:
        (pixels, labels) to train and to test: pixels (N, 32, 32, 3) uint8, labels (N,) int64.

    Raises:
        DataError: the archive is damaged, incomplete, or holds code instead of data.
    """
    batches = {}
    for member, contents in read_members(path, MAX_ARCHIVE_BYTES):
        name = member.rpartition("/")[2]
        batch = name.removesuffix(".bin")
        if batch in (*TRAIN_BATCHES, TEST_BATCH):
            read = _read_binary_batch if name.endswith(".bin") else _read_python_batch
            batches[batch] = read(contents, f"{path}: {member}", images_per_batch)
    missing = [batch for batch in (*TRAIN_BATCHES, TEST_BATCH) if batch not in batches]
    if missing:
        raise DataError(f"{path}: not a CIFAR-10 archive: {', '.join(missing)} not found")
    train = [np.concatenate(parts) for parts in zip(*(batches[name] for name in TRAIN_BATCHES), strict=True)]
    return tuple(train), batches[TEST_BATCH]


def _read_binary_batch(contents, name, images):
    expected = images * (1 + PIXELS)
    if len(contents) != expected:
        raise DataError(f"{name}: expected {expected:,} bytes, found {len(contents):,}")
    rows = np.frombuffer(contents, dtype=np.uint8).reshape(images, 1 + PIXELS)
    return _channels_last(rows[:, 1:]), _check_labels(rows[:, 0], name)


def _read_python_batch(contents, name, images):
    batch = load_array_pickle(contents, name)
    data = batch.get(b"data") if isinstance(batch, dict) else None
    labels = batch.get(b"labels") if isinstance(batch, dict) else None
    if not isinstance(data, np.ndarray) or data.shape != (images, PIXELS) or data.dtype != np.uint8:
        found = f"{data.shape}, {data.dtype}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DataError(f"{name}: expected data of shape ({images}, {PIXELS}), uint8; found {found}")
    if not isinstance(labels, list) or len(labels) != images or not all(type(one) is int for one in labels):
        raise DataError(f"{name}: expected a list of {images} integers as labels")
    return _channels_last(data), _check_labels(np.array(labels), name)


def _channels_last(rows):
    """(N, 3072), one plane of 32×32 for each colour → (N, 32, 32, 3)."""
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _check_labels(labels, name):
    outside = labels[(labels < 0) | (labels >= len(CIFAR10_CLASSES))]
    if outside.size:
        raise DataError(f"{name}: expected labels 0 to {len(CIFAR10_CLASSES) - 1}, found {outside[0]}")
    return labels.astype(np.int64)


def _locate_part(name):
    path = locate("cifar10", name)
    if path is None:
        advice = "This part is not downloaded; TINYNET_DATA names the folder that holds the data sets."
        raise not_found("cifar10", [name], advice)
    return path


def _load_lossless():
    """Each PNG has 1,000 rows of 1,024 pixels; a row is an image."""
    folder = _locate_part("lossless")
    batches = []
    for number in range(4):
        path = folder / f"cifar10_batch_{number}.png"
        rows = decode_image(path, name=path)
        if rows.shape != (1000, 1024, 3):
            raise DataError(f"{path}: expected an image of shape (1000, 1024, 3), found {rows.shape}")
        batches.append(rows.reshape(1000, 32, 32, 3))
    pixels = np.concatenate(batches)
    labels = _read_label_lines(folder / "labels.txt", len(pixels))
    name = "cifar10, lossless part: the first 4,000 training images, the last 1,000 of them held out"
    return name, (pixels[:3000], labels[:3000]), (pixels[3000:], labels[3000:])


def _read_label_lines(path, count):
    lines = path.read_text(encoding="ascii", errors="replace").split()
    if len(lines) != count or not all(re.fullmatch(r"\d", line) for line in lines):
        raise DataError(f"{path}: expected {count} lines with a digit each, found {len(lines)} lines")
    return _check_labels(np.array(lines, dtype=np.int64), path)


def _load_jpeg():
    path = _locate_part(JPEG_ARCHIVE_NAME)
    found = {"train": [], "test": []}
    for member, contents in read_members(path, MAX_ARCHIVE_BYTES):
        match = JPEG_MEMBER.fullmatch(member)
        if match is None or match[2] not in CIFAR10_CLASSES:
            raise DataError(f"{path}: unexpected member {member!r}")
        pixels = decode_image(io.BytesIO(contents), name=f"{path}: {member}", max_pixels=32 * 32)
        if pixels.shape != (32, 32, 3):
            raise DataError(f"{path}: {member}: expected an image of 32×32 pixels, found {pixels.shape}")
        found[match[1]].append((member, pixels, CIFAR10_CLASSES.index(match[2])))
    splits = []
    for split, samples in found.items():
        if len(samples) != 10_000:
            raise DataError(f"{path}: expected 10,000 images in {split}, found {len(samples):,}")
        samples.sort(key=lambda sample: sample[0])
        _, pixels, labels = zip(*samples, strict=True)
        splits.append((np.stack(pixels), np.array(labels, dtype=np.int64)))
    return "cifar10, JPEG part: 10,000 training and 10,000 test images with losses", *splits
