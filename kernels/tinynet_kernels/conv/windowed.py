"""Convolution of images with few channels: the register tiles read the windows where they are.

Unfolding an image of one or three channels, as `direct` does, costs more than the product itself. In an image
with a border of zeros, what the taps of one line of the window see is one stretch of memory, and the next
position sees the stretch that begins `stride` pixels further on. A register tile takes a matrix whose rows
are any distance apart, even overlapping, and whose columns are several such stretches, so that only the
border has to be made::

                stretch of row 0
              ┌──────────────┐
    0 0 │ x x │ x x x x x x x x x x x │ 0 0        one line of the image, and `kernel height` of them
              └──┬───────────┴──┐                  make up a row of the unfolded matrix
                 └──────────────┘
                  stretch of row 1

Serves two-dimensional windows without dilation along the lines, ungrouped.
"""

from functools import lru_cache
from math import prod

import numpy as np

from tinynet_kernels import memory
from tinynet_kernels.compile import inlined, inner
from tinynet_kernels.simd.memory import add_run, address_of, clear_run, copy_run, element_bytes, new_matrix
from tinynet_kernels.simd.rows import band_address, call_band, call_windows, call_windows_from
from tinynet_kernels.simd.tile import ADD, CUT_OFF
from tinynet_kernels.simd.vectors import VECTOR_BYTES, WIDTH_BYTES
from tinynet_kernels.tasks import run
from tinynet_kernels.windows import Volume

__all__ = ["forward", "input_gradient", "weight_gradient"]

_TASK_BYTES = 128 << 10  # of the result of one task, which stays in a second-level cache

_PARTS = 16  # of a weight gradient, added up in the end


def forward(x, weight, stride, padding, dilation, bias=None, activation=None):
    """As `conv.forward` without groups."""
    kernel, outputs = weight.shape[:-2], weight.shape[-1]
    table, output = _table(x.shape[1:-1], x.shape[-1], kernel, stride, padding, dilation)
    y = memory.empty((x.shape[0], *output, outputs), x.dtype)
    if not y.size:
        return y
    together = _together(output[-1], kernel[-1], stride[-1], outputs * x.itemsize)
    bias = np.empty(0, x.dtype) if bias is None else bias
    if together > 1:
        weight, bias = _repeated(weight, together, stride[-1]), np.tile(bias, together)
        table = _widened(table, together)
    images, weight = _as_lines(x), np.ascontiguousarray(weight)
    bias = np.ascontiguousarray(bias)
    lines = y.size // (output[-1] * outputs * len(y))
    most_lines = max(1, _TASK_BYTES // (output[-1] * outputs * y.itemsize))
    arguments = (
        *(band_address(x.dtype), images.ctypes.data, weight.ctypes.data, y.ctypes.data),
        *(bias.ctypes.data if bias.size else 0, activation == "relu", *images.shape[1:]),
        *(lines, output[-1] // together, weight.shape[-1], most_lines, *table),
    )
    run(_forward, x.dtype, len(x) * -(-lines // most_lines), arguments)
    return y


def weight_gradient(x, gy, kernel_size, stride, padding, dilation, out=None):
    """As `conv.weight_gradient` without groups; `out` is contiguous."""
    channels, outputs = x.shape[-1], gy.shape[-1]
    table, output = _table(x.shape[1:-1], channels, kernel_size, stride, padding, dilation)
    gradient = np.empty((*kernel_size, channels, outputs), x.dtype) if out is None else out
    if not gy.size or not x.size:
        gradient[...] = 0
        return gradient
    together = _together(output[-1], kernel_size[-1], stride[-1], outputs * x.itemsize)
    width = kernel_size[-1] + (together - 1) * stride[-1]
    shape = (*kernel_size[:-1], width, channels, together * outputs)
    # In parts of whole images, so that the sums do not depend on the number of threads.
    partial = np.empty((min(_PARTS, len(x)), prod(shape[:-1]), shape[-1]), x.dtype)
    images, gy = _as_lines(x), _as_lines(gy)
    arguments = (
        *(band_address(x.dtype), images.ctypes.data, gy.ctypes.data, partial.ctypes.data),
        *(*images.shape, gy.shape[1], output[-1] // together, shape[-1], len(partial)),
        *_widened(table, together),
    )
    run(_weight_gradient, x.dtype, len(partial), arguments)
    if together == 1:
        partial.sum(axis=0, out=gradient.reshape(partial.shape[1:]))
    else:
        _add_copies(partial.sum(axis=0).reshape(shape), together, stride[-1], gradient)
    return gradient


def input_gradient(gy, weight, input_size, stride, padding, dilation):
    """As `conv.input_gradient` without groups, for few input channels.

    With few columns a product leaves most lanes of the vectors idle. Here the columns are all taps and
    channels of the window; then every window is added to the place that it looked at.
    """
    channels, outputs = weight.shape[-2:]
    table, _ = _table(tuple(input_size), channels, weight.shape[:-2], stride, padding, dilation)
    gx = memory.empty((len(gy), *input_size, channels), gy.dtype)
    if gx.size and gy.size:
        matrix, gy = np.ascontiguousarray(weight.reshape(-1, outputs).T), _as_lines(gy)
        line_bytes = gy.shape[2] // outputs * matrix.shape[1] * gy.itemsize
        most_lines = min(gy.shape[1], max(1, _TASK_BYTES // line_bytes))
        arguments = (
            *(band_address(gy.dtype), gy.ctypes.data, matrix.ctypes.data, gx.ctypes.data),
            *(*gy.shape[1:], outputs, matrix.shape[1], *_as_lines(gx).shape[1:], most_lines, *table),
        )
        run(_input_gradient, gy.dtype, len(gy), arguments)
    elif gx.size:
        gx[...] = 0
    return gx


def _together(positions, width, step, output_bytes):
    """How many neighbouring positions are computed as if they were one with so many times the channels.

    Few output channels leave lanes of the vectors idle. Neighbours together fill them, at the price of
    zeros in the weights, since each neighbour ignores some of what the others see.
    """
    best, least = 1, None
    for count in range(1, max(1, VECTOR_BYTES // output_bytes) + 1):
        if positions % count == 0:
            cost = (width + (count - 1) * step) / count
            if least is None or cost < least:
                best, least = count, cost
    return best


def _repeated(weight, count, step):
    """The weights for `count` neighbouring positions, each shifted by `step` pixels."""
    *kernel, channels, outputs = weight.shape
    width = kernel[-1]
    wide = np.zeros((*kernel[:-1], width + (count - 1) * step, channels, count, outputs), weight.dtype)
    for i in range(count):
        wide[..., i * step : i * step + width, :, i, :] = weight
    return wide.reshape(*wide.shape[:-2], -1)


def _add_copies(gradients, count, step, total):
    """Sets total to the gradient of the weights of which `_repeated` made copies: the sum of theirs."""
    width, copies = total.shape[-3], gradients.reshape(*gradients.shape[:-1], count, -1)
    total[...] = copies[..., :width, :, 0, :]
    for i in range(1, count):
        total += copies[..., i * step : i * step + width, :, i, :]


def _widened(table, count):
    """The table of the windows of `count` neighbouring positions together."""
    if count == 1:
        return table
    channels, height, spacing, width, step, hop, above, left = table
    return channels, height, spacing, width + (count - 1) * hop, step, count * hop, above, left


def _as_lines(images):
    """(N, H, W * C) of images (N, H, W, C) or sequences (N, W, C)."""
    height = images.shape[1] if images.ndim == 4 else 1
    return np.ascontiguousarray(images).reshape(len(images), height, prod(images.shape[-2:]))


@lru_cache(maxsize=1024)
def _table(input_size, channels, kernel_size, stride, padding, dilation):
    """What the tasks need of the geometry, 8 numbers, and the output size.

    The numbers are: channels; lines of the window, and the distance between them; pixels of a line of the
    window; the steps from line to line and from pixel to pixel; lines and pixels of padding before.
    """
    geometry = Volume(input_size, kernel_size, stride, padding, dilation)
    (_, height, width), (_, step, hop) = geometry.kernel, geometry.stride
    spacing, (_, above, left) = geometry.dilation[1], geometry.before
    table = channels, height, spacing, width, step, hop, above, left
    return table, geometry.output[3 - len(kernel_size) :]


@inner
def _forward(zero, arguments, index):
    """One task, see `tasks.run`: some lines of the output of one image."""
    band, x, weight, y, bias, is_relu, x_lines, x_length = arguments[:8]
    lines, positions, columns, most_lines = arguments[8:12]
    channels, height, spacing, width, step, hop, above, left = arguments[12:20]
    size = element_bytes(zero)
    strip = WIDTH_BYTES // size
    blocks = -(-lines // most_lines)
    image, first = index // blocks, index % blocks * most_lines
    count = min(most_lines, lines - first)
    y_line = positions * columns * size
    result = y + (image * lines + first) * y_line
    bordered = new_matrix(
        zero, (count - 1) * step + (height - 1) * spacing + 1, ((positions - 1) * hop + width) * channels
    )
    image_start = x + image * x_lines * x_length * size
    _with_border(zero, image_start, x_lines, x_length, first * step - above, left * channels, bordered)
    line_bytes = bordered.strides[0]
    for n in range(0, columns, strip):
        for line in range(count):
            target = result + line * y_line + n * size
            finish = (CUT_OFF if is_relu else 0) + (ADD if bias != 0 else 0)
            source = address_of(bordered) + line * step * line_bytes
            call_windows_from(
                band,
                source,
                hop * channels * size,
                size,
                weight + n * size,
                columns * size,
                width * channels,
                height,
                spacing * line_bytes,
                bias + n * size,
                0,
                target,
                columns * size,
                positions,
                min(strip, columns - n),
                finish,
            )


@inner
def _weight_gradient(zero, arguments, index):
    """One task: the gradient summed over some of the images."""
    band, x, gy, partial, images, x_lines, x_length = arguments[:7]
    lines, positions, columns, parts = arguments[7:11]
    channels, height, spacing, width, step, hop, above, left = arguments[11:19]
    size = element_bytes(zero)
    strip = WIDTH_BYTES // size
    stretch = width * channels
    gradient = partial + index * height * stretch * columns * size
    bordered = new_matrix(
        zero, (lines - 1) * step + (height - 1) * spacing + 1, ((positions - 1) * hop + width) * channels
    )
    line_bytes = bordered.strides[0]
    first = images * index // parts
    for n in range(first, images * (index + 1) // parts):
        _with_border(
            zero, x + n * x_lines * x_length * size, x_lines, x_length, -above, left * channels, bordered
        )
        image_gradient = gy + n * lines * positions * columns * size
        for line in range(height):
            for column in range(0, columns, strip):
                source = address_of(bordered) + line * spacing * line_bytes
                target = gradient + (line * stretch * columns + column) * size
                call_windows(
                    band,
                    source,
                    size,
                    hop * channels * size,
                    image_gradient + column * size,
                    columns * size,
                    positions,
                    lines,
                    step * line_bytes,
                    target,
                    columns * size,
                    stretch,
                    min(strip, columns - column),
                    0 if n == first else ADD,
                )


@inner
def _input_gradient(zero, arguments, index):
    """One task: the gradient of one image."""
    band, gy, weight, gx, lines, length, outputs, columns, x_lines, x_length, most_lines = arguments[:11]
    channels, height, spacing, width, step, hop, above, left = arguments[11:19]
    size = element_bytes(zero)
    strip = WIDTH_BYTES // size
    positions = length // outputs
    stretch = width * channels
    windows = new_matrix(zero, most_lines * positions, columns)
    bordered = new_matrix(
        zero, (lines - 1) * step + (height - 1) * spacing + 1, ((positions - 1) * hop + width) * channels
    )
    bordered[:, :] = zero
    for first in range(0, lines, most_lines):
        count = min(most_lines, lines - first)
        source = gy + (index * lines + first) * length * size
        for column in range(0, columns, strip):
            call_band(
                band,
                source,
                outputs * size,
                size,
                weight + column * size,
                columns * size,
                outputs,
                address_of(windows) + column * size,
                columns * size,
                count * positions,
                min(strip, columns - column),
                0,
            )
        for line in range(count):
            part = address_of(windows) + line * positions * columns * size
            total = address_of(bordered) + (first + line) * step * bordered.strides[0]
            for position in range(positions):
                # Line by line, so that an addition does not have to wait for the one before.
                for i in range(height):
                    place = total + i * spacing * bordered.strides[0] + position * hop * channels * size
                    add_run(zero, part + (position * columns + i * stretch) * size, place, stretch)
    target = gx + index * x_lines * x_length * size
    _without_border(zero, bordered, target, x_lines, x_length, above, left * channels)


@inlined
def _with_border(zero, image, lines, length, first, before, bordered):
    """Fills `bordered` with the lines of an image from `first` on and the zeros around them.

    The image is given by its address, the number of its lines, and the number of elements in a line.
    """
    size = element_bytes(zero)
    wanted = bordered.shape[1]
    inside = min(length, wanted - before)
    for i in range(len(bordered)):
        h, target = first + i, address_of(bordered[i])
        if 0 <= h < lines and inside > 0:
            clear_run(zero, target, before)
            copy_run(zero, image + h * length * size, target + before * size, inside)
            clear_run(zero, target + (before + inside) * size, wanted - before - inside)
        else:
            clear_run(zero, target, wanted)


@inlined
def _without_border(zero, bordered, image, lines, length, above, before):
    """The reverse of `_with_border`; what no window has seen becomes 0."""
    size = element_bytes(zero)
    inside = min(length, bordered.shape[1] - before)
    for h in range(lines):
        i, target = h + above, image + h * length * size
        if i < len(bordered) and inside > 0:
            copy_run(zero, address_of(bordered[i]) + before * size, target, inside)
            clear_run(zero, target + inside * size, length - inside)
        else:
            clear_run(zero, target, length)
