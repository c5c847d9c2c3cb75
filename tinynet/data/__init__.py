"""Data sets, loaders and transforms: from files and arrays to batches of tensors."""

from tinynet.data.augmentation import (
    CenterCrop,
    RandomAffine,
    RandomBrightness,
    RandomColorShift,
    RandomContrast,
    RandomErasing,
    RandomPrincipalColor,
    RandomResizedCrop,
    RandomRotation,
    RandomShear,
    RandomWarp,
    sample_bilinear,
    ten_crops,
)
from tinynet.data.batches import LoadingError, default_collate
from tinynet.data.cats_dogs import CATS_DOGS_CLASSES, load_cats_dogs
from tinynet.data.cifar10 import CIFAR10_CLASSES, load_cifar10
from tinynet.data.datasets import ArrayDataset, ConcatDataset, Dataset, MapDataset, Subset, random_split
from tinynet.data.digits import load_digits
from tinynet.data.files import DataNotFoundError
from tinynet.data.folders import ImageFolder
from tinynet.data.idx import read_idx, write_idx
from tinynet.data.image_data import ImageData, ImageSplit
from tinynet.data.loader import DataLoader
from tinynet.data.mnist import FASHION_MNIST_CLASSES, MNIST_CLASSES, load_fashion_mnist, load_mnist
from tinynet.data.transforms import (
    Compose,
    Normalize,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    Resize,
    Scale,
    resize_bilinear,
)

__all__ = [
    "CATS_DOGS_CLASSES",
    "CIFAR10_CLASSES",
    "FASHION_MNIST_CLASSES",
    "MNIST_CLASSES",
    "ArrayDataset",
    "CenterCrop",
    "Compose",
    "ConcatDataset",
    "DataLoader",
    "DataNotFoundError",
    "Dataset",
    "ImageData",
    "ImageFolder",
    "ImageSplit",
    "LoadingError",
    "MapDataset",
    "Normalize",
    "Pad",
    "RandomAffine",
    "RandomBrightness",
    "RandomColorShift",
    "RandomContrast",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomPrincipalColor",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomShear",
    "RandomWarp",
    "Resize",
    "Scale",
    "Subset",
    "default_collate",
    "load_cats_dogs",
    "load_cifar10",
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
    "random_split",
    "read_idx",
    "resize_bilinear",
    "sample_bilinear",
    "ten_crops",
    "write_idx",
]
