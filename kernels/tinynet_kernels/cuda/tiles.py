"""The tiles in which products are computed, and into how many parts long sums are cut. See product.cuh.

The choices follow from how much there is to do for a GPU of some hundred multiprocessors. They have not been
measured on one yet.
"""

from typing import NamedTuple

import numpy as np

from tinynet_kernels.cuda.modes import rounding
from tinynet_kernels.dispatch import array_module

__all__ = [
    "BFLOAT_LARGE",
    "BFLOAT_SMALL",
    "LARGE",
    "NARROW",
    "SMALL",
    "TENSOR_LARGE",
    "TENSOR_SMALL",
    "Tile",
    "choose_tile",
    "count_tiles",
    "cut_sum",
    "uses_tensor_cores",
]

_ENOUGH_BLOCKS = 256  # to keep all multiprocessors of a large GPU busy
_STEP_BYTES = 64  # of each line, as in product.cuh
_LEAST_STEPS = 8  # of a part of a sum; shorter ones cost more to add up than they help


class Tile(NamedTuple):
    """One way to cut a product into tiles.

    Attributes:
        engine: what multiplies them, a type in CUDA: the value of a variant's macro.
        rows, columns: of a tile.
        threads: of the block that computes it.
    """

    engine: str
    rows: int
    columns: int
    threads: int


# Of the engine that every element type has. The largest is for float32 alone: with it, float64 would not fit
# the registers.
LARGE = Tile("Plain<128,128,8,8>", 128, 128, 256)
SMALL = Tile("Plain<64,64,8,4>", 64, 64, 128)
NARROW = Tile("Plain<128,16,4,4>", 128, 16, 128)

# For float16, and for float32 rounded to TF32.
TENSOR_LARGE = Tile("TensorCores<128,128,64,32>", 128, 128, 256)
TENSOR_SMALL = Tile("TensorCores<64,64,32,32>", 64, 64, 128)

# For float32 rounded to bfloat16.
BFLOAT_LARGE = Tile("BfloatTensorCores<128,128,64,32>", 128, 128, 256)
BFLOAT_SMALL = Tile("BfloatTensorCores<64,64,32,32>", 64, 64, 128)

_TENSOR_CAPABILITY = 80  # of the devices whose tensor cores know our instructions


def uses_tensor_cores(array):
    """Whether products of this array and others like it are computed on tensor cores, for which float32 has
    to be rounded."""
    if array.dtype.itemsize == 8 or (array.dtype.itemsize == 4 and rounding() is None):
        return False
    if array_module(array) is np:  # in the tests' emulation
        return True
    return int(array.device.compute_capability) >= _TENSOR_CAPABILITY


def choose_tile(array, rows, columns, batch):
    """The tile for `batch` products of so many rows and columns, of which this array is a factor."""
    if columns <= NARROW.columns:
        return NARROW
    large, small = _tiles_for(array)
    has_large = large is not LARGE or array.dtype.itemsize == 4
    return large if has_large and batch * count_tiles(large, rows, columns) >= _ENOUGH_BLOCKS else small


def _tiles_for(array):
    """A large and a small tile for products of this array."""
    if not uses_tensor_cores(array):
        return LARGE, SMALL
    if array.dtype.itemsize == 4 and rounding() == "bfloat16":
        return BFLOAT_LARGE, BFLOAT_SMALL
    return TENSOR_LARGE, TENSOR_SMALL


def count_tiles(tile, rows, columns):
    return -(-rows // tile.rows) * -(-columns // tile.columns)


def cut_sum(blocks, depth, dtype):
    """How many parts a sum of `depth` products is cut into, and the length of all but the last.

    Args:
        blocks: so many compute a part each at the same time.
    """
    step = _STEP_BYTES // dtype.itemsize
    steps = max(1, -(-depth // step))
    parts = max(1, min(_ENOUGH_BLOCKS // blocks, steps // _LEAST_STEPS))
    stretch = -(-steps // parts)
    return -(-steps // stretch), stretch * step
