"""Input gradients as a product that is folded back: every output position times the weights of every tap.

The gradient of an input element is a sum over the output positions whose window saw it. `direct` asks for
every input element which those are. Near the border of an unpadded image, and with a large window that is
most of the image, many of the taps then meet no output position, and zeros are multiplied. Seen from
the outputs, every multiplication counts: the gradient of an output position times the transposed weights of
a tap is what goes to *one* input element, and is added to it::

      gradient of y          weights of a tap, transposed          gradient of x
    ┌──────────────┐        ┌───┬───┬───┐                  ┌─────────────────────┐
    │ position     │   @    │   │ ▒ │   │   ── added ─►    │  ▒       ▒      ▒   │   a stride apart,
    └──────────────┘        │   │ ▒ │   │                  └─────────────────────┘   for each tap elsewhere
                            └───┴───┴───┘
                              one strip of channels per task

Adding to places all over an array is what threads must not do together, and what a cache is too small for. So
a task owns some channels, as many as a register tile is wide, of some lines of some images, keeps their sums
in the second-level cache, and multiplies only what is added there.

This is the transpose of `conv.im2col`, a piece at a time: Chellapilla, Puri & Simard, High Performance
Convolutional Neural Networks for Document Processing (2006).
"""

from functools import lru_cache

import numpy as np

from tinynet_kernels import memory
from tinynet_kernels.compile import inlined, inner
from tinynet_kernels.conv.transfer import deliver_rows
from tinynet_kernels.simd.memory import add_run, address_of, clear_run, element_bytes, new_matrix
from tinynet_kernels.simd.packing import copy_transposed
from tinynet_kernels.simd.rows import band_address, call_band
from tinynet_kernels.simd.streaming import LARGE, finish_streaming
from tinynet_kernels.simd.vectors import WIDTH_BYTES
from tinynet_kernels.tasks import run
from tinynet_kernels.windows import Volume

__all__ = ["input_gradient"]

_SUMS_BYTES = 320 << 10  # of a task; leaves room in a second-level cache of 1 MiB for the operands
_LEAST_TASKS = 16  # so that all threads finish at about the same time; not the number of threads


def input_gradient(gy, weight, input_size, stride, padding, dilation, groups):
    """As `conv.input_gradient`."""
    channels, outputs = weight.shape[-2:]
    gx = memory.empty((len(gy), *input_size, channels * groups), gy.dtype)
    if not gx.size or not gy.size:
        gx[...] = 0
        return gx
    geometry = Volume(input_size, weight.shape[:-2], stride, padding, dilation)
    gy, weight = np.ascontiguousarray(gy), np.ascontiguousarray(weight)
    strips = -(-channels * gy.itemsize // WIDTH_BYTES)
    images, lines = _owned(len(gy), geometry.input, groups * strips)
    image_tasks, line_tasks = -(-len(gy) // images), -(-geometry.input[1] // lines)
    is_by_column = weight.nbytes > gy.nbytes  # then weights are what should stay in a cache between tasks
    arguments = (
        *(band_address(gy.dtype), gy.ctypes.data, weight.ctypes.data, gx.ctypes.data),
        *(len(gy), channels, outputs, groups, strips, image_tasks, line_tasks, images, lines),
        *(is_by_column, gx.nbytes >= LARGE),
        *(*geometry.input, *geometry.output, *geometry.kernel),
        *(*geometry.stride, *geometry.before, *geometry.dilation),
    )
    run(_fold_task, gy.dtype, groups * strips * image_tasks * line_tasks, arguments)
    return gx


@lru_cache(maxsize=1024)
def _owned(images, input_size, strips):
    """How many images, or else how many lines of one image, a task owns."""
    line_bytes = input_size[0] * input_size[2] * WIDTH_BYTES
    most_images = _SUMS_BYTES // (line_bytes * input_size[1])
    if most_images < 1:
        lines = max(1, _SUMS_BYTES // line_bytes)
        return 1, -(-input_size[1] // -(-input_size[1] // lines))
    least_blocks = -(-images // most_images)
    blocks = min(images, max(least_blocks, -(-_LEAST_TASKS // strips)))
    return -(-images // blocks), input_size[1]


@inner
def _fold_task(zero, arguments, index):
    """One task, see `tasks.run`: some lines of some images, of one strip of channels."""
    band, gy, weight, gx, all_images, channels, all_outputs, groups, strips = arguments[:9]
    image_tasks, line_tasks, most_images, most_lines, is_by_column, is_large = arguments[9:15]
    table = arguments[15:].reshape(6, 3)
    sizes, output, kernel = table[0], table[1], table[2]
    size = element_bytes(zero)
    width = WIDTH_BYTES // size

    columns, places = groups * strips, image_tasks * line_tasks
    if is_by_column:
        column, place = index // places, index % places
    else:
        column, place = index % columns, index // columns
    group, first_channel = column // strips, column % strips * width
    first_image, first_line = place // line_tasks * most_images, place % line_tasks * most_lines
    images, lines = min(most_images, all_images - first_image), min(most_lines, sizes[1] - first_line)
    wanted, outputs = min(width, channels - first_channel), all_outputs // groups
    plane_rows = lines * sizes[2]
    sums = new_matrix(zero, images * sizes[0] * plane_rows, width)
    clear_run(zero, address_of(sums), sums.size)
    products = new_matrix(zero, min(output[1], lines) * output[2], width)
    strip = new_matrix(zero, outputs, width)
    for tap in range(kernel[0] * kernel[1] * kernel[2]):
        first, count = _lines_within(table, tap // kernel[2] % kernel[1], first_line, lines)
        if count <= 0:
            continue
        block = weight + ((tap * channels + first_channel) * all_outputs + group * outputs) * size
        copy_transposed(zero, block, all_outputs * size, address_of(strip), WIDTH_BYTES, wanted, outputs)
        for plane in range(images * output[0]):
            image, d = plane // output[0], plane % output[0]
            d_target = d * table[3, 0] - table[4, 0] + tap // (kernel[2] * kernel[1]) * table[5, 0]
            if d_target < 0 or d_target >= sizes[0]:
                continue
            line = ((first_image + image) * output[0] + d) * output[1] + first
            source = gy + (line * output[2] * all_outputs + group * outputs) * size
            target = address_of(sums) + (image * sizes[0] + d_target) * plane_rows * WIDTH_BYTES
            call_band(
                band,
                source,
                all_outputs * size,
                size,
                address_of(strip),
                WIDTH_BYTES,
                outputs,
                address_of(products),
                WIDTH_BYTES,
                count * output[2],
                wanted,
                0,
            )
            _fold(zero, address_of(products), target, table, tap, first, count, first_line, wanted)
    for plane in range(images * sizes[0]):
        pixel = ((first_image * sizes[0] + plane) * sizes[1] + first_line) * sizes[2]
        target = gx + ((pixel * groups + group) * channels + first_channel) * size
        part = address_of(sums) + plane * plane_rows * WIDTH_BYTES
        deliver_rows(zero, part, WIDTH_BYTES, target, groups * channels * size, plane_rows, wanted, is_large)
    finish_streaming()


@inlined
def _lines_within(table, tap, first_line, lines):
    """The output lines whose tap meets one of `lines` input lines: the first, and how many."""
    stride, offset = table[3, 1], tap * table[5, 1] - table[4, 1] - first_line
    first = max(0, -(offset // stride))
    last = min(table[1, 1], (lines - 1 - offset) // stride + 1)
    return first, last - first


@inlined
def _fold(zero, products, sums, table, tap, first, count, first_line, wanted):
    """Adds the products of `count` output lines to the input lines that they belong to."""
    length, positions, taps = table[0, 2], table[1, 2], table[2, 2]
    h = first * table[3, 1] - table[4, 1] + tap // taps % table[2, 1] * table[5, 1] - first_line
    offset, hop = tap % taps * table[5, 2] - table[4, 2], table[3, 2]
    begin, end = max(0, -(offset // hop)), min(positions, (length - 1 - offset) // hop + 1)
    for i in range(count):
        source = products + i * positions * WIDTH_BYTES
        target = sums + ((h + i * table[3, 1]) * length + offset) * WIDTH_BYTES
        for w in range(begin, end):
            add_run(zero, source + w * WIDTH_BYTES, target + w * hop * WIDTH_BYTES, wanted)
