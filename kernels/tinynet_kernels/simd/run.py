"""Runs: neighbouring pixels whose windows see the same taps, as blocks of `tinynet_kernels.simd.window`.

With few channels a block is computed so fast that whatever is done once for each counts. Here the loop over
the blocks is part of the generated code, and the loops over planes, rows and columns of the window are one
loop over a list of taps, made beforehand: there is little else to keep in the registers than the block.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tinynet_kernels.compile import inner
from tinynet_kernels.simd.emitter import Emitter
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.vectors import VECTOR_BYTES
from tinynet_kernels.sweeps import PIXELS

__all__ = ["TAP", "TAPS", "make_line_of_runs"]

_INT64 = ir.IntType(64)
_VECTORS = 4  # side by side in the widest blocks

TAP = 3  # numbers for each entry of a list of taps: its own number, and the offsets of source and beside
TAPS = 3  # where the entries of a list begin; before them stands how many planes, rows and columns these are


def make_run(operation, pixels, vectors, masked, vector_bytes=VECTOR_BYTES):
    """A function for Numba code that computes a run in blocks of `pixels` × `vectors` vectors.

    The function ``run(zero, mark, taps, count, first, source, beside, target, extra, floor, channels,
    length)`` takes

    * taps: a list as `_list_taps` makes it, with `count` entries; first: the number of the first tap;
    * source, beside, target, extra: the address for the first pixel, and what to add to it per pixel;
    * length: how many pixels there are;

    for all else see `make_window`. Where the last pixels of many don't fill a block, it begins earlier:
    computing a pixel twice is faster than computing it alone. Fewer are computed one by one.
    """

    @intrinsic
    def run(
        typing_context, zero, mark, taps, count, first, source, beside, target, extra, floor, channels, length
    ):
        if zero not in (types.float32, types.float64):
            return None
        arguments = (zero, mark, taps, count, first, source, beside, target, extra, zero, channels, length)

        def generate(context, builder, signature, arguments):
            _, _, taps, count, first_tap, *operands, floor, channels, length = arguments
            taps = context.make_array(signature.args[2])(context, builder, taps).data
            operands = [cgutils.unpack_tuple(builder, operand) for operand in operands]
            emit = Emitter(context, builder, signature.args[0], signature.args[1], vector_bytes)
            masks = emit.masks(channels, vectors) if masked else [None] * vectors

            def block(pixels, first):
                moved = [(emit.builder.add(at, builder.mul(first, step)), step) for at, step in operands]
                _emit_block(builder, operation(emit, pixels, masks, *moved, floor), taps, count, first_tap)

            fills_block = builder.icmp_signed(">=", length, _INT64(pixels))
            with builder.if_else(fills_block, likely=True) as (many, few):
                with many:
                    _emit_blocks(builder, block, pixels, length)
                with few, cgutils.for_range(builder, length) as loop:
                    block(1, loop.index)
            return context.get_dummy_value()

        return types.void(*arguments), generate

    return run


def _emit_blocks(builder, block, pixels, length):
    blocks = builder.sdiv(builder.add(length, _INT64(pixels - 1)), _INT64(pixels))
    last = builder.sub(length, _INT64(pixels))
    with cgutils.for_range(builder, blocks) as loop:
        first = builder.mul(loop.index, _INT64(pixels))
        block(pixels, builder.select(builder.icmp_signed("<", first, last), first, last))


def _emit_block(builder, block, taps, count, first_tap):
    block.start(builder.icmp_signed(">", count, _INT64(0)), first_tap)
    with cgutils.for_range(builder, count) as loop:
        entry = builder.add(builder.mul(loop.index, _INT64(TAP)), _INT64(TAPS))
        starts = first_tap, block.source[0], block.beside[0]
        offsets = [builder.load(builder.gep(taps, [builder.add(entry, _INT64(i))])) for i in range(TAP)]
        block.step(*[builder.add(start, offset) for start, offset in zip(starts, offsets, strict=True)])
    block.finish()


def make_line_of_runs(operation, wide_pixels):
    """A function for Numba code that computes one line of a sweep, for all its pixels and channels.

    The function ``line(zero, mark, image, plane, line, tables, source, beside, target, extra, floor)`` takes
    the numbers of the image, of the plane in it and of the line in that; the four tables of a `Sweep`,
    followed by an int64 array for the list of taps, whose first `TAPS` numbers are -1 before the first call
    and which has `TAP` more for each tap; and the addresses of the four arrays. See also `make_window`.

    Args:
        operation: an `Operation`.
        wide_pixels: how many pixels the blocks have that are 4 vectors wide.
    """
    wide = make_run(operation, wide_pixels, _VECTORS, masked=False)
    narrow = make_run(operation, PIXELS, 1, masked=True)

    # Neither function is cached by itself: their code is part of the kernel that calls them, which is.
    @inner(cache=False)
    def line(zero, mark, image, d, h, tables, source, beside, target, extra, floor):
        planes, lines, runs, steps, taps = tables
        source += image * steps[8] + planes[d, 2] + lines[h, 2]
        beside += image * steps[14] + planes[d, 3] + lines[h, 3]
        target += image * steps[20] + planes[d, 4] + lines[h, 4]
        extra += image * steps[26] + planes[d, 5] + lines[h, 5]
        first = planes[d, 1] + lines[h, 1]
        for r in range(runs.shape[0]):
            depth, height, width = planes[d, 0], lines[h, 0], runs[r, 0]
            if not (taps[0] == depth and taps[1] == height and taps[2] == width):
                _list_taps(depth, height, width, steps, taps)
            count, tap = depth * height * width, first + runs[r, 1]
            s, b, t, e = source + runs[r, 2], beside + runs[r, 3], target + runs[r, 4], extra + runs[r, 5]
            channels(zero, mark, taps, count, tap, steps, s, b, t, e, floor, runs[r, 6])

    @inner(cache=False)
    def channels(zero, mark, taps, count, tap, steps, source, beside, target, extra, floor, length):
        """All channels of a run, some vectors at a time."""
        lanes, rest = VECTOR_BYTES // element_bytes(zero), steps[27]
        while rest > 0:
            s, b, t, e = (source, steps[6]), (beside, steps[12]), (target, steps[18]), (extra, steps[24])
            if rest >= _VECTORS * lanes:
                wide(zero, mark, taps, count, tap, s, b, t, e, floor, rest, length)
                done = _VECTORS * lanes
            else:
                done = min(rest, lanes)
                narrow(zero, mark, taps, count, tap, s, b, t, e, floor, done, length)
            source, beside = source + done * steps[7], beside + done * steps[13]
            target, extra = target + done * steps[19], extra + done * steps[25]
            rest -= done

    return line


@inner(cache=False)
def _list_taps(planes, rows, columns, steps, taps):
    """Lists the taps of a window, relative to the first one."""
    taps[0], taps[1], taps[2] = planes, rows, columns
    at = TAPS
    for d in range(planes):
        for h in range(rows):
            for w in range(columns):
                taps[at] = d * steps[0] + h * steps[1] + w * steps[2]
                taps[at + 1] = d * steps[3] + h * steps[4] + w * steps[5]
                taps[at + 2] = d * steps[9] + h * steps[10] + w * steps[11]
                at += TAP
