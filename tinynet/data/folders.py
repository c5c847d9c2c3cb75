"""Data sets of image files in folders."""

from pathlib import Path

from tinynet.data.datasets import Dataset
from tinynet.data.decoding import MAX_PIXELS, decode_image
from tinynet.data.files import DataNotFoundError
from tinynet.data.transforms import pair
from tinynet.errors import ArgumentError

__all__ = ["IMAGE_SUFFIXES", "ImageFolder"]

IMAGE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


class ImageFolder(Dataset):
    """Image files in one folder for each class: ``root/cat/1.jpg``, ``root/dog/1.jpg``, …

    A sample is (image, label): the image (H, W, C), uint8, decoded when it is asked for; the label an
    integer. Classes are numbered in the alphabetical order of their folders, samples follow the order
    of their paths. Hidden files and files without a usual image ending are passed over.

    Args:
        root: the folder of the class folders.
        size: (height, width) to resize every image to, or one number for both; None keeps each its own.
        mode: ``"RGB"``, or ``"L"`` for one channel of greys.
        transform: ``transform(x, rng)`` for the image.
        max_pixels: images with more are refused before they are decoded.

    Attributes:
        class_names: the names of the class folders.
        paths: the image files.
        labels: the label of each file.

    Raises:
        DataNotFoundError: the folder isn't there, or holds no images in class folders.
        DataError: from indexing, a file isn't a readable image or has too many pixels.
    """

    def __init__(self, root, size=None, mode="RGB", transform=None, max_pixels=MAX_PIXELS):
        if mode not in ("RGB", "L"):
            raise ArgumentError(f"ImageFolder: mode should be 'RGB' or 'L', not {mode!r}")
        self.root = Path(root)
        self.size = None if size is None else pair("ImageFolder", "size", size, least=1)
        self.mode = mode
        self.transform = transform
        self.max_pixels = max_pixels
        if not self.root.is_dir():
            raise DataNotFoundError(f"ImageFolder: {self.root} is not a folder")
        folders = sorted(path for path in self.root.iterdir() if path.is_dir() and path.name[0] != ".")
        self.class_names = tuple(folder.name for folder in folders)
        self.paths = []
        self.labels = []
        for label, folder in enumerate(folders):
            files = _image_files(folder)
            self.paths += files
            self.labels += [label] * len(files)
        if not self.paths:
            raise DataNotFoundError(f"ImageFolder: {self.root} holds no class folders with image files")

    def __len__(self):
        return len(self.paths)

    def sample(self, index, rng):
        path = self.paths[index]
        image = decode_image(path, path, self.mode, self.size, self.max_pixels)
        if self.transform is not None:
            image = self.transform(image, rng)
        return image, self.labels[index]


def _image_files(folder):
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "." and path.is_file()
    )
