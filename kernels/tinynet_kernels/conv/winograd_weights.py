"""The weight as the matrices that `tinynet_kernels.conv.winograd` multiplies by, and their transform."""

from typing import NamedTuple

import numpy as np

from tinynet_kernels.compile import inlined
from tinynet_kernels.conv.winograd_tiles import cells_of
from tinynet_kernels.conv.winograd_transforms import transform_weight
from tinynet_kernels.simd.memory import address_of, clear_run, element_bytes, keep_alive, new_matrix
from tinynet_kernels.simd.packing import copy_rows, copy_transposed
from tinynet_kernels.simd.transforms import fill_planes
from tinynet_kernels.simd.vectors import WIDTH_BYTES

__all__ = [
    "FORWARD",
    "TRANSPOSED",
    "TURNED",
    "WEIGHT_ROWS",
    "Weight",
    "tap_of",
    "transform_rows",
    "weight_of",
]

WEIGHT_ROWS = 64  # rows of the weight that are transformed at a time

FORWARD, TRANSPOSED, TURNED = range(3)


class Weight(NamedTuple):
    """A weight (height, width, C, O) as height * width matrices (depth, columns) to multiply by.

    They are C × O for a forward operation. For an input gradient they are O × C, `TRANSPOSED`, and if it is
    made by sliding a window over the output's gradient in reverse order as well, `TURNED`. The window moves
    by `down` rows and `right` columns; `line`, `tap` and `row` are the strides in bytes between the lines of
    the window, its taps and the rows of the original's matrices.
    """

    address: int
    line: int
    tap: int
    row: int
    height: int
    width: int
    down: int
    right: int
    depth: int
    columns: int
    kind: int

    @classmethod
    def of(cls, array, stride, kind):
        """The matrices in a contiguous array, for a window that moves by `stride`."""
        inner = array.shape[2:] if kind == FORWARD else array.shape[:1:-1]
        return cls(array.ctypes.data, *array.strides[:3], *array.shape[:2], *stride, *inner, kind)


@inlined
def weight_of(numbers):
    address, line, tap, row, height, width, down, right, depth, columns, kind = numbers
    return Weight(address, line, tap, row, height, width, down, right, depth, columns, kind)


@inlined
def tap_of(sizes, weight, phase, position):
    """The line and the column, in the window, of a position (row-major) in a phase's window of r × r taps.

    Not every phase has all taps: they may lie beyond the window.
    """
    taps = len(sizes[1])
    line, column = position // taps, position % taps
    return line * weight.down + phase // weight.right, column * weight.right + phase % weight.right


@inlined
def transform_rows(zero, sizes, weight, phase, k, strip, target, plane):
    """G @ g @ G.T for one strip of a phase's columns and the block of rows from k on.

    Args:
        target: the address of (planes, rows, width) elements; the planes are `plane` bytes apart.
    """
    size = element_bytes(zero)
    width = WIDTH_BYTES // size
    depth, columns = min(WEIGHT_ROWS, weight.depth - k), min(width, weight.columns - strip * width)
    taps, planes = np.empty(len(sizes[1]) ** 2, np.int64), np.empty(cells_of(sizes) ** 2, np.int64)
    fill_planes(planes, target, plane)
    # Copied first: rows of so many taps, far apart, are more than the processor can fetch ahead, and if the
    # distance is a power of two they fall into the same few places of its caches.
    copied = new_matrix(zero, taps.size * WEIGHT_ROWS, width)
    fill_planes(taps, address_of(copied), WEIGHT_ROWS * WIDTH_BYTES)
    for p in range(taps.size):
        line, column = tap_of(sizes, weight, phase, p)
        if line >= weight.height or column >= weight.width:
            clear_run(zero, taps[p], WEIGHT_ROWS * width)
            continue
        if weight.kind == TURNED:
            line, column = weight.height - 1 - line, weight.width - 1 - column
        source = weight.address + line * weight.line + column * weight.tap
        if weight.kind == FORWARD:
            source += k * weight.row + strip * WIDTH_BYTES
            copy_rows(zero, source, weight.row, taps[p], WIDTH_BYTES, depth, columns)
        else:
            source += strip * width * weight.row + k * size
            copy_transposed(zero, source, weight.row, taps[p], WIDTH_BYTES, columns, depth)
    for c in range(depth):
        row = c * WIDTH_BYTES
        transform_weight(zero, sizes, address_of(taps), row, address_of(planes), row, columns)
    keep_alive(copied)
