"""Sliding windows: a block of neighbouring outputs stays in the registers while its windows pass.

Pooling and depthwise convolution do the same for every channel, and no channel meets another. So the
channels are the lanes of the vectors, and a block is a few pixels side by side, of some vectors each::

      source, one vector of channels per cell            block, in registers
    ┌───┬───┬───┬───┬───┬───┬───┬───┬───┐                ┌───┬───┬───┬───┐
    │ ▒ │ ▒ │ ▒ │   │   │   │   │   │   │                │ 0 │ 1 │ 2 │ 3 │
    ├───┼───┼───┼───┼───┼───┼───┼───┼───┤       ─►       └───┴───┴───┴───┘
    │ ▒ │ ▒ │ ▒ │   │   │   │   │   │   │                 pixels: same place
    ├───┼───┼───┼───┼───┼───┼───┼───┼───┤                 in the window, each
    │ ▒ │ ▒ │ ▒ │   │   │   │   │   │   │                 a step further on
    └───┴───┴───┴───┴───┴───┴───┴───┴───┘
      ▒ the window of pixel 0

The loop goes over the places of the window, the *taps*; at each it handles all vectors of the block. A
result is written once, when its window is complete, and whatever all pixels share (the weights of the tap)
is loaded once for all of them.

What happens at a tap is told by an `Operation`. Besides the source it may look at a second array, at the
same tap: weights, or the winners of a maximum.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tinynet_kernels.simd.emitter import Emitter
from tinynet_kernels.simd.vectors import VECTOR_BYTES

__all__ = ["ChosenSum", "Maximum", "Operation", "ProductSum", "ScaledSum", "make_window"]

_INT64 = ir.IntType(64)

_USUAL = 3  # columns of a window
_AHEAD = 2048  # bytes: how far in front of the target its cache lines are asked for


def make_window(operation, pixels, vectors, masked, vector_bytes=VECTOR_BYTES):
    """A function for Numba code that computes a block of `pixels` × `vectors` vectors.

    The function ``window(zero, mark, counts, taps, source, beside, target, extra, floor, channels)`` takes

    * zero: a number of the element type, float32 or float64, for its type;
    * mark: a number of the type in which winners are stored, an integer, for its type;
    * counts: how many places the window has, (planes, rows, columns); 0 is allowed;
    * taps: the number of the first tap, and what to add to it per plane, row and column;
    * source, beside: an address, and what to add to it per plane, row, column of the window, and pixel;
    * target, extra: an address, and what to add to it per pixel;
    * floor: a number of the element type;
    * channels: how many channels there are, if `masked`, from 1 to the width of the block. Otherwise the
      width, ``vectors * vector_bytes``, is always read and written.

    Addresses and what is added to them are integers, in bytes. No alignment is required beyond that of
    single elements. What `beside`, `extra` and `floor` are for depends on the operation.
    """

    @intrinsic
    def window(typing_context, zero, mark, counts, taps, source, beside, target, extra, floor, channels):
        if zero not in (types.float32, types.float64):
            return None
        arguments = (zero, mark, counts, taps, source, beside, target, extra, zero, channels)

        def generate(context, builder, signature, arguments):
            _, _, counts, taps, *rest, floor, channels = arguments
            unpacked = [cgutils.unpack_tuple(builder, operand) for operand in rest]
            emit = Emitter(context, builder, signature.args[0], signature.args[1], vector_bytes)
            masks = emit.masks(channels, vectors) if masked else [None] * vectors
            block = operation(emit, pixels, masks, *unpacked, floor)
            counts, taps = cgutils.unpack_tuple(builder, counts), cgutils.unpack_tuple(builder, taps)
            block.start(emit.all_positive(counts), taps[0])
            _emit_taps(builder, block, counts, taps, block.source[:4], block.beside[:4])
            block.finish()
            return context.get_dummy_value()

        return types.void(*arguments), generate

    return window


def _emit_taps(builder, block, counts, *operands):
    """The loops over planes, rows and columns, with `Operation.step` innermost.

    `operands` are the number of the tap and the addresses of source and beside, with their steps.
    """
    if not counts:
        block.step(*[first for first, *_ in operands])
    elif len(counts) == 1 and block.is_wide():
        _emit_columns(builder, block, counts, operands)
    else:
        _emit_loop(builder, block, counts, operands)


def _emit_loop(builder, block, counts, operands):
    with cgutils.for_range(builder, counts[0]) as loop:
        inside = [
            [builder.add(first, builder.mul(loop.index, step)), *inner] for first, step, *inner in operands
        ]
        _emit_taps(builder, block, counts[1:], *inside)


def _emit_columns(builder, block, counts, operands):
    """The usual window is 3 columns wide; without a loop over so few, it takes two thirds of the time."""
    is_usual = builder.icmp_signed("==", counts[0], _INT64(_USUAL))
    with builder.if_else(is_usual, likely=True) as (usual, other):
        with usual:
            for column in range(_USUAL):
                block.step(*[block.emit.offset(first, step, column) for first, step in operands])
        with other:
            _emit_loop(builder, block, counts, operands)


class Operation:
    """What is done with the values under the window. The methods write instructions.

    A block keeps one or two variables per vector, which LLVM turns into registers.
    """

    def __init__(self, emit, pixels, masks, source, beside, target, extra, floor):
        self.emit = emit
        self.masks = masks
        self.source = source
        self.beside = beside
        self.target = target
        self.extra = extra
        self.floor = floor
        self.pixels = range(pixels)
        self.vectors = range(len(masks))

    def start(self, sees_something, first_tap):
        """Before the first tap: makes the variables."""
        self.sums = [[self.emit.variable(self.emit.zeros()) for _ in self.vectors] for _ in self.pixels]

    def step(self, tap, source, beside):
        """One tap: its number, and the addresses of what the first pixel sees there."""
        raise NotImplementedError

    def finish(self):
        """After the last tap: stores the block."""
        self.store_all(self.sums)

    def store_all(self, variables):
        for pixel, v in self.each():
            value, address = self.emit.builder.load(variables[pixel][v]), self.at(self.target, pixel)
            if self.is_wide():
                self.emit.prefetch(address, v * self.emit.vector_bytes + _AHEAD)
            self.emit.store(value, address, v, self.masks[v])

    def is_wide(self):
        """Whether all lanes are in use, as in nearly all blocks of a large array."""
        return self.masks[0] is None

    def each(self):
        return [(pixel, v) for pixel in self.pixels for v in self.vectors]

    def at(self, operand, pixel):
        """The address for a pixel, of an operand whose last entry is the step per pixel."""
        return self.emit.offset(operand[0], operand[-1], pixel)

    def along(self, address, operand, pixel):
        return self.emit.offset(address, operand[-1], pixel)

    def add(self, pixel, v, amount):
        builder, variable = self.emit.builder, self.sums[pixel][v]
        builder.store(builder.fadd(builder.load(variable), amount), variable)


class Maximum(Operation):
    """The largest value, and the number of its tap, which goes to `extra`; -1 if the window is empty.

    The first of equal values wins; NaN beats everything.
    """

    def start(self, sees_something, first_tap):
        emit = self.emit
        first = emit.builder.select(sees_something, first_tap, _INT64(-1))
        winner, lowest = emit.broadcast_integer(first), emit.constant(float("-inf"))
        self.best = [[emit.variable(lowest) for _ in self.vectors] for _ in self.pixels]
        self.winners = [[emit.variable(winner) for _ in self.vectors] for _ in self.pixels]

    def step(self, tap, source, beside):
        builder, tap = self.emit.builder, self.emit.broadcast_integer(tap)
        for pixel, v in self.each():
            value = self.emit.load(self.along(source, self.source, pixel), v, self.masks[v])
            best, winner = self.best[pixel][v], self.winners[pixel][v]
            so_far = builder.load(best)
            is_larger_or_nan = builder.fcmp_unordered(">", value, so_far)
            wins = builder.and_(is_larger_or_nan, builder.fcmp_ordered("ord", so_far, so_far))
            builder.store(builder.select(wins, value, so_far), best)
            builder.store(builder.select(wins, tap, builder.load(winner)), winner)

    def finish(self):
        self.store_all(self.best)
        for pixel, v in self.each():
            winner = self.emit.builder.load(self.winners[pixel][v])
            self.emit.store_marks(winner, self.at(self.extra, pixel), v, self.masks[v])


class ChosenSum(Operation):
    """The sum of the values whose mark, which lies in `beside`, is the number of their tap."""

    def step(self, tap, source, beside):
        emit, tap = self.emit, self.emit.broadcast_integer(tap)
        for pixel, v in self.each():
            mark = emit.load_marks(self.along(beside, self.beside, pixel), v, self.masks[v])
            value = emit.load(self.along(source, self.source, pixel), v, self.masks[v])
            is_chosen = emit.builder.icmp_signed("==", mark, tap)
            self.add(pixel, v, emit.builder.select(is_chosen, value, emit.zeros()))


class ScaledSum(Operation):
    """The sum of the values times a number, one for all channels, which lies in `beside`."""

    def step(self, tap, source, beside):
        emit = self.emit
        for pixel in self.pixels:
            factor = emit.load_everywhere(self.along(beside, self.beside, pixel))
            for v in self.vectors:
                value = emit.load(self.along(source, self.source, pixel), v, self.masks[v])
                emit.multiply_add(value, factor, self.sums[pixel][v])


class ProductSum(Operation):
    """The sum of the values times those in `beside`, which all pixels share, plus the values in `extra`.

    A result below `floor` is replaced by it, NaN stays.
    """

    def start(self, sees_something, first_tap):
        emit = self.emit
        self.sums = [
            [emit.variable(emit.load(self.at(self.extra, pixel), v, self.masks[v])) for v in self.vectors]
            for pixel in self.pixels
        ]

    def step(self, tap, source, beside):
        emit = self.emit
        factors = [emit.load(beside, v, mask) for v, mask in enumerate(self.masks)]
        for pixel, v in self.each():
            value = emit.load(self.along(source, self.source, pixel), v, self.masks[v])
            emit.multiply_add(value, factors[v], self.sums[pixel][v])

    def finish(self):
        builder, floor = self.emit.builder, self.emit.broadcast(self.floor)
        for pixel, v in self.each():
            total = builder.load(self.sums[pixel][v])
            is_below = builder.fcmp_ordered("<", total, floor)
            builder.store(builder.select(is_below, floor, total), self.sums[pixel][v])
        self.store_all(self.sums)
