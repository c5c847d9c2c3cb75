"""What Winograd's convolution costs, estimated from the shapes: with it, `conv.plan` compares the methods."""

from math import prod
from typing import NamedTuple

from tinynet_kernels.conv.winograd_transforms import ALGORITHMS, instructions
from tinynet_kernels.simd.vectors import VECTOR_BYTES
from tinynet_kernels.windows import output_size

__all__ = [
    "Cost",
    "estimated_cost",
    "is_by_strips",
    "number_of_planes",
    "taps_of",
    "tiles_at_a_time",
    "tiles_for",
]

_FEW_TILES = 128  # by strips: their M, 36 × 128 × 128 bytes, stays in the second-level cache
_MOST_TILES = 160  # of phases, at a time

# What two cores do while a byte comes from the main memory, and in the 0.1 ms that a start takes.
_OPERATIONS_PER_BYTE = 8
_OPERATIONS_PER_START = 20_000_000

_PHASES_COST = 1.2  # measured, of windows that move by more than one pixel: all lies further apart


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


def taps_of(kernel_size, stride):
    """The r of F(m × m, r × r) for the phases of a window, or None if it is not the same on both axes."""
    taps = {-(-size // step) for size, step in zip(kernel_size, stride, strict=True)}
    return taps.pop() if len(taps) == 1 else None


def tiles_for(kernel_size, stride):
    """The m for which there is an F(m × m, r × r) for the phases of a window, in ascending order."""
    return sorted(m for m, r in ALGORITHMS if r == taps_of(kernel_size, stride))


def estimated_cost(operation, x_shape, weight_shape, stride, padding, tile, itemsize=4):
    """The `Cost` of an operation, to compare with that for another `tile`, or with tile 0, the definition.

    The products are counted over whole tiles, whose parts beyond the image are in vain. An instruction of
    a transform handles as many channels as a multiply-add of the products, and is counted as one; in both,
    the channels at the end that do not fill a vector cost as much as if they did.

    Args:
        operation: ``"forward"``, ``"input_gradient"`` or ``"weight_gradient"``.
        x_shape, weight_shape: (N, H, W, C) and (height, width, C, O), of the forward operation in all cases.
    """
    (images, *input_size, channels), (*window, _, outputs) = x_shape, weight_shape
    size = output_size(input_size, window, stride, padding, (1, 1))
    inputs, results = prod(input_size) * channels * images, prod(size) * outputs * images
    weights, phases = prod(weight_shape), prod(stride)
    if operation == "input_gradient":
        inputs, results, channels, outputs = results, inputs, outputs, channels
        size = size if phases > 1 else input_size
    written = weights if operation == "weight_gradient" else results
    # A result passes twice, since its cache lines are read before they are written.
    moved = inputs + results + weights + written
    whole = _in_whole_vectors(channels, itemsize), _in_whole_vectors(outputs, itemsize)
    if not tile:
        sums = images * prod(size) * prod(window)
        return Cost(2 * sums * channels * whole[1], moved * itemsize, 1)
    tiles = images * prod(-(-length // tile) for length in size)
    planes = number_of_planes(tile, window, stride)
    products = planes * tiles * phases * channels * whole[1]
    shape = tiles, planes, phases, channels, whole, tile, taps_of(window, stride)
    transforms, stored = _transforms(operation, *shape)
    operations = 2 * (products + transforms)
    if phases > 1:
        operations = round(_PHASES_COST * operations)
    return Cost(operations, (moved + stored) * itemsize, 2)


def _transforms(operation, tiles, planes, phases, channels, whole, tile, taps):
    """The instructions of the transforms, and the numbers between them that pass through the main memory."""
    count, (inputs, outputs) = instructions(tile, taps), whole
    if phases > 1:
        return _transforms_of_phases(operation, tiles, planes, phases, channels, whole, count)
    if operation == "weight_gradient":
        of_tiles = tiles * (inputs * count.input + outputs * count.output_gradient)
        return of_tiles + channels * outputs * count.weight_gradient, 0
    of_tiles = tiles * (inputs * count.input + outputs * count.output)
    # Unless it goes by strips, the transformed weight is written, and read once.
    stored = 0 if is_by_strips(tiles, outputs) else 3 * planes * channels * outputs
    return of_tiles + channels * outputs * count.weight, stored


def _transforms_of_phases(operation, tiles, planes, phases, channels, whole, count):
    """As `_transforms`. There is too much of it all for the caches: what is written is read from memory."""
    inputs, outputs = whole
    weights = phases * channels * outputs
    if operation == "forward":
        of_tiles = tiles * (phases * inputs * count.input + outputs * count.output)
        return of_tiles + weights * count.weight, 3 * planes * (tiles * phases * inputs + weights)
    if operation == "weight_gradient":
        of_tiles = tiles * (phases * inputs * count.input + outputs * count.output_gradient)
        stored = 3 * planes * tiles * (phases * inputs + outputs)
        return of_tiles + weights * count.weight_gradient, stored
    of_tiles = tiles * (inputs * count.output_gradient + phases * outputs * count.input_gradient)
    chunks = -(-tiles // tiles_at_a_time(tiles))
    return of_tiles + chunks * weights * count.weight, 3 * planes * tiles * inputs


def _in_whole_vectors(channels, itemsize):
    lanes = VECTOR_BYTES // itemsize
    return -(-channels // lanes) * lanes


def is_by_strips(tiles, outputs):
    return tiles <= min(_FEW_TILES, outputs // 2)


def tiles_at_a_time(tiles):
    """How many of all tiles of phases are transformed at a time: about as many every time."""
    return -(-tiles // -(-tiles // _MOST_TILES))


def number_of_planes(tile, kernel_size, stride):
    return (tile + taps_of(kernel_size, stride) - 1) ** 2
