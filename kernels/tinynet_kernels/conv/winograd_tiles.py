"""Tiles of images, and their transforms, for all compiled loops of `tinynet_kernels.conv.winograd`.

``sizes`` is, throughout, a pair of tuples of m and of r zeros, of F(m × m, r × r): the code is compiled for
each pair by itself, when it is first used.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from tinynet_kernels.compile import inlined, inner
from tinynet_kernels.conv.winograd_transforms import transform_input, transform_output_gradient
from tinynet_kernels.simd.memory import address_of, element_bytes
from tinynet_kernels.simd.transforms import Images, fill_cells, fill_planes
from tinynet_kernels.tasks import run

__all__ = [
    "Tiling",
    "cells_of",
    "images_of",
    "number_of_phases",
    "number_of_tiles",
    "phase_of",
    "place",
    "tile_place",
    "tiling_of",
    "transform_all_gradients",
    "transform_all_tiles",
    "transform_gradients",
    "transform_tiles",
]

_TILES_AT_A_TIME = 8  # of a task that does nothing but transform them


class Tiling(NamedTuple):
    """How images are cut: `rows` × `columns` tiles each, the first inputs at (-above, -left).

    The window moves by `down` rows and `right` columns. The images are those of one phase of the input,
    see `conv.winograd`; there are ``down * right`` phases.
    """

    images: int
    rows: int
    columns: int
    above: int
    left: int
    down: int
    right: int


def place(array):
    """The address of an array, and its strides except for the last."""
    return array.ctypes.data, *array.strides[:-1]


def transform_all_tiles(sizes, x, tiling, zeros, channels, target, block_channels, first, count):
    """B.T @ D @ B for `count` tiles of every phase of x, from number `first` on.

    Args:
        x: `Images`.
        zeros: the address of at least `channels` zeros.
        target: (phases * blocks, planes, count * block_channels or more), for blocks of so many channels.
    """
    tasks = -(-count // _TILES_AT_A_TIME) * number_of_phases(tiling)
    arguments = (*x, *tiling, zeros, channels, *place(target), block_channels, first, count)
    run(_tiles_task, target.dtype, tasks, arguments, sizes)


def transform_all_gradients(sizes, gy, tiling, zeros, channels, target, block_channels, first, count):
    """A @ gy @ A.T for `count` tiles of gy; the arguments are those of `transform_all_tiles`."""
    arguments = (*gy, *tiling, zeros, channels, *place(target), block_channels, first, count)
    run(_gradients_task, target.dtype, -(-count // _TILES_AT_A_TIME), arguments, sizes)


@inlined
def images_of(numbers):
    address, image, row, column, height, width = numbers
    return Images(address, image, row, column, height, width)


@inlined
def tiling_of(numbers):
    images, rows, columns, above, left, down, right = numbers
    return Tiling(images, rows, columns, above, left, down, right)


# Ordinary functions to Python, and parts of the compiled ones that call them.
@register_jitable(inline="always")
def number_of_tiles(tiling):
    return tiling.images * tiling.rows * tiling.columns


@register_jitable(inline="always")
def number_of_phases(tiling):
    return tiling.down * tiling.right


@inlined
def cells_of(sizes):
    """The number of rows, and of columns, that a transformed tile has."""
    return len(sizes[0]) + len(sizes[1]) - 1


@inlined
def tile_place(tiling, number):
    """The image of a tile, and its row and its column among the tiles there."""
    column, line = number % tiling.columns, number // tiling.columns
    return line // tiling.rows, line % tiling.rows, column


@inlined
def phase_of(x, tiling, phase):
    """The `Images` of one phase, and the (above, left) of their first inputs."""
    row, column = phase // tiling.right - tiling.above, phase % tiling.right - tiling.left
    first_row, first_column = row % tiling.down, column % tiling.right
    images = Images(
        x.address + first_row * x.row + first_column * x.column,
        x.image,
        x.row * tiling.down,
        x.column * tiling.right,
        (x.height - first_row + tiling.down - 1) // tiling.down,
        (x.width - first_column + tiling.right - 1) // tiling.right,
    )
    return images, (first_row - row) // tiling.down, (first_column - column) // tiling.right


@inner(cache=False)
def transform_tiles(
    zero, sizes, x, tiling, phase, first, count, zeros, channels, target, plane, block_channels, block
):
    """B.T @ D @ B for `count` tiles of a phase of x from number `first` on.

    The channels are cut into blocks of `block_channels`, which lie `block` bytes apart in the target. The
    transformed tiles follow each other there, in each plane (tiles, block_channels).
    """
    m, cells, size = len(sizes[0]), cells_of(sizes), element_bytes(zero)
    source, planes = np.empty(cells * cells, np.int64), np.empty(cells * cells, np.int64)
    fill_planes(planes, target, plane)
    images, above, left = phase_of(x, tiling, phase)
    for t in range(count):
        n, row, column = tile_place(tiling, first + t)
        fill_cells(source, images, n, row * m - above, column * m - left, cells, zeros)
        for c in range(0, channels, block_channels):
            offset = c // block_channels * block + t * block_channels * size
            length = min(block_channels, channels - c)
            transform_input(zero, sizes, address_of(source), c * size, address_of(planes), offset, length)


@inner(cache=False)
def transform_gradients(
    zero, sizes, gy, tiling, first, count, zeros, channels, target, plane, block_channels, block
):
    """A @ gy @ A.T for `count` tiles of gy; the arguments are those of `transform_tiles`."""
    m, cells, size = len(sizes[0]), cells_of(sizes), element_bytes(zero)
    source, planes = np.empty(m * m, np.int64), np.empty(cells * cells, np.int64)
    fill_planes(planes, target, plane)
    for t in range(count):
        n, row, column = tile_place(tiling, first + t)
        fill_cells(source, gy, n, row * m, column * m, m, zeros)
        for c in range(0, channels, block_channels):
            offset = c // block_channels * block + t * block_channels * size
            length = min(block_channels, channels - c)
            transform_output_gradient(
                zero, sizes, address_of(source), c * size, address_of(planes), offset, length
            )


@inner
def _tiles_task(zero, sizes, arguments, index):
    """All channels of a few tiles of one phase."""
    x, tiling = images_of(arguments[:6]), tiling_of(arguments[6:13])
    zeros, channels, target, block, plane, block_channels, first, count = arguments[13:21]
    groups = -(-count // _TILES_AT_A_TIME)
    phase, skipped = index // groups, index % groups * _TILES_AT_A_TIME
    target += -(-channels // block_channels) * phase * block + skipped * block_channels * element_bytes(zero)
    first, count = first + skipped, min(_TILES_AT_A_TIME, count - skipped)
    transform_tiles(
        *(zero, sizes, x, tiling, phase, first, count, zeros, channels, target, plane),
        *(block_channels, block),
    )


@inner
def _gradients_task(zero, sizes, arguments, index):
    """All channels of a few tiles."""
    gy, tiling = images_of(arguments[:6]), tiling_of(arguments[6:13])
    zeros, channels, target, block, plane, block_channels, first, count = arguments[13:21]
    skipped = index * _TILES_AT_A_TIME
    target += skipped * block_channels * element_bytes(zero)
    first, count = first + skipped, min(_TILES_AT_A_TIME, count - skipped)
    transform_gradients(
        *(zero, sizes, gy, tiling, first, count, zeros, channels, target, plane),
        *(block_channels, block),
    )
