"""Tiles of images, and their transform, for all compiled loops of `tinynet_kernels.conv.winograd`."""

from typing import NamedTuple

import numpy as np

from tinynet_kernels.compile import inlined, inner
from tinynet_kernels.conv.winograd_transforms import transform_input
from tinynet_kernels.simd.memory import address_of, element_bytes
from tinynet_kernels.simd.transforms import Images, fill_cells, fill_planes

__all__ = [
    "TILES_AT_A_TIME",
    "Tiling",
    "images_of",
    "number_of_tiles",
    "place",
    "tiling_of",
    "transform_tiles",
]

TILES_AT_A_TIME = 8  # of a task that does nothing but transform them


class Tiling(NamedTuple):
    """How images are cut: `rows` × `columns` tiles each, the first inputs at (-above, -left)."""

    images: int
    rows: int
    columns: int
    above: int
    left: int


def number_of_tiles(tiling):
    return tiling.images * tiling.rows * tiling.columns


def place(array):
    """The address of an array, and its strides except for the last."""
    return array.ctypes.data, *array.strides[:-1]


@inlined
def images_of(numbers):
    address, image, row, column, height, width = numbers
    return Images(address, image, row, column, height, width)


@inlined
def tiling_of(numbers):
    images, rows, columns, above, left = numbers
    return Tiling(images, rows, columns, above, left)


@inner(cache=False)
def transform_tiles(
    zero, tile, x, tiling, first, count, zeros, channels, target, plane, block_channels, block
):
    """B.T @ D @ B for `count` tiles of x from number `first` on.

    The channels are cut into blocks of `block_channels`, which lie `block` bytes apart in the target. The
    transformed tiles follow each other there, in each plane (tiles, block_channels).
    """
    m, size = len(tile), element_bytes(zero)
    cells = m + 2
    source, planes = np.empty(cells * cells, np.int64), np.empty(cells * cells, np.int64)
    fill_planes(planes, target, plane)
    for t in range(count):
        column, line = (first + t) % tiling.columns, (first + t) // tiling.columns
        n, row = line // tiling.rows, line % tiling.rows
        fill_cells(source, x, n, row * m - tiling.above, column * m - tiling.left, cells, zeros)
        for c in range(0, channels, block_channels):
            offset = c // block_channels * block + t * block_channels * size
            length = min(block_channels, channels - c)
            transform_input(zero, tile, address_of(source), c * size, address_of(planes), offset, length)
