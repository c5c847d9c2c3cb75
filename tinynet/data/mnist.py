"""MNIST and Fashion-MNIST: 60,000 + 10,000 grey images of 28×28 pixels in ten classes.

Sources: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document
Recognition", 1998. H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking
Machine Learning Algorithms", 2017.
"""

import numpy as np

from tinynet.data.files import RemoteFile, fetch
from tinynet.data.idx import read_idx
from tinynet.data.image_data import ImageData, ImageSplit, convert_pixels
from tinynet.errors import DataError

__all__ = ["FASHION_MNIST_CLASSES", "MNIST_CLASSES", "load_fashion_mnist", "load_mnist"]

MNIST_CLASSES = tuple("0123456789")
FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def _remote_files(address, *pins):
    """The four files of a set, in the order train images, train labels, test images, test labels."""
    names = [
        f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
    ]
    return [RemoteFile(name, address + name, *pin) for name, pin in zip(names, pins, strict=True)]


MNIST_FILES = _remote_files(
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422),
    ("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881),
    ("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877),
    ("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542),
)
FASHION_MNIST_FILES = _remote_files(
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ("3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26_421_880),
    ("a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29_515),
    ("346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4_422_102),
    ("67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5_148),
)


def load_mnist(dtype=np.float32):
    """Loads MNIST: handwritten digits.

    Looked for as ``mnist/train-images-idx3-ubyte.gz`` and so on (or without ``.gz``) under
    ``$TINYNET_DATA``, then in the user's cache folder, and else downloaded there (12 MB).

    Args:
        dtype: uint8 gives pixels from 0 to 255, a floating dtype numbers from 0 to 1.

    Returns:
        `ImageData`: images (N, 28, 28, 1), labels (N,) int64; 60,000 to train and 10,000 to test.

    Raises:
        DataNotFoundError: the files aren't there and cannot be downloaded.
        DataError: a file is damaged or isn't MNIST.
    """
    return _load("mnist", MNIST_FILES, MNIST_CLASSES, dtype)


def load_fashion_mnist(dtype=np.float32):
    """Loads Fashion-MNIST: articles of clothing. Like `load_mnist`, from ``fashion-mnist`` (31 MB)."""
    return _load("fashion-mnist", FASHION_MNIST_FILES, FASHION_MNIST_CLASSES, dtype)


def _load(name, files, class_names, dtype):
    train = _load_split(name, *files[:2], 60_000, len(class_names), dtype)
    test = _load_split(name, *files[2:], 10_000, len(class_names), dtype)
    return ImageData(name, train, test, class_names)


def _load_split(name, image_file, label_file, count, classes, dtype):
    _, images = _read(name, image_file, (count, 28, 28))
    label_path, labels = _read(name, label_file, (count,))
    if labels.max() >= classes:
        raise DataError(f"{label_path}: expected labels 0 to {classes - 1}, found {labels.max()}")
    return ImageSplit(convert_pixels(images[..., np.newaxis], dtype), labels.astype(np.int64))


def _read(name, file, shape):
    path = fetch(name, file, alternatives=[file.name.removesuffix(".gz")])
    array = read_idx(path)
    if array.shape != shape or array.dtype != np.uint8:
        raise DataError(f"{path}: expected shape {shape}, uint8; found {array.shape}, {array.dtype}")
    return path, array
