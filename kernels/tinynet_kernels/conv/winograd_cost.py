"""What Winograd's convolution costs, estimated from the shapes: with it, `conv.plan` compares the methods."""

from math import prod
from typing import NamedTuple

from tinynet_kernels.conv.winograd_transforms import instructions
from tinynet_kernels.simd.vectors import VECTOR_BYTES

__all__ = ["TAPS", "Cost", "estimated_cost", "is_by_strips", "number_of_planes", "result_size"]

TAPS = 3  # of the window on each axis

_FEW_TILES = 128  # by strips: their M, 36 × 128 × 128 bytes, stays in the second-level cache

# What two cores do while a byte comes from the main memory, and in the 0.1 ms that a start takes.
_OPERATIONS_PER_BYTE = 8
_OPERATIONS_PER_START = 20_000_000


class Cost(NamedTuple):
    """What a convolution takes.

    Attributes:
        operations: floating-point operations.
        bytes: to and from the main memory.
        starts: how often all threads are started, and waited for.
    """

    operations: int
    bytes: int
    starts: int

    @property
    def total(self):
        """All in operations, which makes methods comparable."""
        return self.operations + _OPERATIONS_PER_BYTE * self.bytes + _OPERATIONS_PER_START * self.starts


def estimated_cost(operation, x_shape, weight_shape, padding, tile, itemsize=4):
    """The `Cost` of an operation, to compare with that for another `tile`, or with tile 0, the definition.

    The products are counted over whole tiles, whose parts beyond the image are in vain. An instruction of
    a transform handles as many channels as a multiply-add of the products, and is counted as one; in both,
    the channels at the end that do not fill a vector cost as much as if they did.

    Args:
        operation: ``"forward"``, ``"input_gradient"`` or ``"weight_gradient"``.
        x_shape, weight_shape: (N, H, W, C) and (3, 3, C, O), of the forward operation in all cases.
    """
    (images, *input_size, channels), outputs = x_shape, weight_shape[3]
    output_size = result_size(input_size, padding)
    inputs, results = prod(input_size) * channels * images, prod(output_size) * outputs * images
    weights = prod(weight_shape)
    if operation == "input_gradient":
        inputs, results, channels, outputs, output_size = results, inputs, outputs, channels, input_size
    written = weights if operation == "weight_gradient" else results
    # A result passes twice, since its cache lines are read before they are written.
    moved = inputs + results + weights + written
    whole = _in_whole_vectors(channels, itemsize), _in_whole_vectors(outputs, itemsize)
    if not tile:
        sums = images * prod(output_size) * TAPS**2
        return Cost(2 * sums * channels * whole[1], moved * itemsize, 1)
    tiles = images * prod(-(-size // tile) for size in output_size)
    planes, count = number_of_planes(tile), instructions(tile)
    products = planes * tiles * channels * whole[1]
    if operation == "weight_gradient":
        transforms = tiles * (whole[0] * count.input + whole[1] * count.output_gradient)
        transforms += channels * whole[1] * count.weight_gradient
    else:
        transforms = tiles * (whole[0] * count.input + whole[1] * count.output)
        transforms += channels * whole[1] * count.weight
        if not is_by_strips(tiles, outputs):
            moved += 3 * planes * channels * outputs  # the transformed weight: written, and read once
    return Cost(2 * (products + transforms), moved * itemsize, 2)


def _in_whole_vectors(channels, itemsize):
    lanes = VECTOR_BYTES // itemsize
    return -(-channels // lanes) * lanes


def is_by_strips(tiles, outputs):
    return tiles <= min(_FEW_TILES, outputs // 2)


def result_size(input_size, padding):
    return tuple(
        size + before + after - TAPS + 1 for size, (before, after) in zip(input_size, padding, strict=True)
    )


def number_of_planes(tile):
    return (tile + TAPS - 1) ** 2
