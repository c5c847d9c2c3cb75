"""The compiled tasks of `conv.direct`, which explains them; see `tinynet_kernels.tasks` for what tasks are.

``table`` is the table of a `conv.sweep.Sweep`, ``band`` the address of `multiply_band`.
"""

from tinynet_kernels.compile import inlined, inner
from tinynet_kernels.conv.gather import gather
from tinynet_kernels.conv.sweep import FIELDS
from tinynet_kernels.simd.memory import add_run, address_of, copy_run, element_bytes, new_matrix
from tinynet_kernels.simd.packing import copy_rows, copy_transposed
from tinynet_kernels.simd.rows import call_band, call_band_from
from tinynet_kernels.simd.tile import ADD, CUT_OFF
from tinynet_kernels.simd.vectors import WIDTH_BYTES

__all__ = ["ADDED_TOGETHER", "WEIGHT_POSITIONS", "add_task", "correlate_task", "pack_task", "weight_task"]

WEIGHT_POSITIONS = 128  # rows of a panel of the weight gradient
ADDED_TOGETHER = 4096  # elements of a task that adds up parts

_PADDING = 64  # bytes between the rows of a panel, so that they do not share the same sets of the cache


@inner
def correlate_task(zero, arguments, index):
    """One task, see `tasks.run`: some channels of one group at some positions of the grid."""
    band, source, packed, target, bias, is_relu, positions = arguments[:7]
    source_channels, target_channels, groups = arguments[7:10]
    is_whole, row_tasks, column_tasks = arguments[10:13]
    most_rows, most_columns, most_taps, most_channels = arguments[13:17]
    parts, table = arguments[17], arguments[18:].reshape(FIELDS, 3)
    size = element_bytes(zero)
    width = WIDTH_BYTES // size

    tasks = row_tasks * column_tasks
    part, group, place = index // (groups * tasks), index // tasks % groups, index % tasks
    first_row, first_column = place // column_tasks * most_rows, place % column_tasks * most_columns
    wanted, reduced = target_channels // groups, source_channels // groups
    rows, columns = min(most_rows, positions - first_row), min(most_columns, wanted - first_column)
    pixel, target_pixel = source_channels * size, target_channels * size
    all_taps = table[5, 0] * table[5, 1] * table[5, 2]
    tap_blocks = -(-all_taps // most_taps)
    start_tap = tap_blocks * part // parts * most_taps
    taps = min(all_taps, tap_blocks * (part + 1) // parts * most_taps)
    depth = most_taps * most_channels
    panel = new_matrix(zero, rows, depth + _PADDING // size)
    scattered = new_matrix(zero, 0 if is_whole else rows, columns)

    strip_bytes = all_taps * reduced * WIDTH_BYTES
    strips = packed + (group * -(-wanted // width) + first_column // width) * strip_bytes
    channel = group * wanted + first_column
    target += part * positions * target_pixel
    if is_whole:
        result, result_row = target + first_row * target_pixel + channel * size, target_pixel
    else:
        result, result_row = address_of(scattered), columns * size
    for first_tap in range(start_tap, taps, most_taps):
        block_taps = min(most_taps, taps - first_tap)
        for first_channel in range(0, reduced, most_channels):
            block = min(most_channels, reduced - first_channel)
            gather(
                zero,
                source + (group * reduced + first_channel) * size,
                pixel,
                table,
                first_row,
                rows,
                first_tap,
                block_taps,
                block,
                address_of(panel),
                panel.strides[0],
            )
            is_first = first_tap == start_tap and first_channel == 0
            is_last = first_tap + block_taps == taps and first_channel + block == reduced
            for n in range(0, columns, width):
                count = min(width, columns - n)
                strip = strips + n // width * strip_bytes
                strip += (first_tap * reduced + first_channel) * WIDTH_BYTES
                strip_result = result + n * size
                start, start_row = strip_result, result_row
                finish = 0 if is_first and bias == 0 else ADD
                if is_first and bias != 0:
                    start, start_row = bias + (channel + n) * size, 0
                if is_last and is_relu:
                    finish += CUT_OFF
                call_band_from(
                    band,
                    address_of(panel),
                    panel.strides[0],
                    size,
                    strip,
                    WIDTH_BYTES,
                    block_taps * block,
                    start,
                    start_row,
                    strip_result,
                    result_row,
                    rows,
                    count,
                    finish,
                )
    if not is_whole:
        # The array, not its address from above: it must stay alive until here.
        rows_from, place = address_of(scattered), target + channel * size
        _scatter(zero, rows_from, columns, place, target_pixel, table, first_row, rows)


@inner
def pack_task(zero, arguments, index):
    """One task: the weights of one tap of one strip, row below row."""
    weight, packed, inputs, outputs, groups, reduced, wanted, is_transposed = arguments[:8]
    table = arguments[8:].reshape(FIELDS, 3)
    size = element_bytes(zero)
    width = WIDTH_BYTES // size
    taps = table[5, 0] * table[5, 1] * table[5, 2]
    strips = -(-wanted // width)
    # Strip after strip of one tap, since their rows lie side by side in the weights.
    tap, strip = index // (groups * strips), index % (groups * strips)
    group, first = strip // strips, strip % strips * width
    columns, row_bytes = min(width, wanted - first), outputs * size
    source = weight + _weight_tap(table, tap) * inputs * row_bytes + group * (outputs // groups) * size
    target = packed + (strip * taps + tap) * reduced * WIDTH_BYTES
    if is_transposed:
        copy_transposed(zero, source + first * row_bytes, row_bytes, target, WIDTH_BYTES, columns, reduced)
    else:
        copy_rows(zero, source + first * size, row_bytes, target, WIDTH_BYTES, reduced, columns)


@inlined
def _weight_tap(table, tap):
    """Where tap `tap` of the sweep lies among the taps of the weight."""
    taps, first, hop, kernel_taps = table[5], table[6], table[7], table[11]
    w = first[2] + tap % taps[2] * hop[2]
    h = first[1] + tap // taps[2] % taps[1] * hop[1]
    d = first[0] + tap // (taps[2] * taps[1]) * hop[0]
    return (d * kernel_taps[1] + h) * kernel_taps[2] + w


@inlined
def _scatter(zero, rows_from, columns, target, target_pixel, table, first_row, rows):
    """Copies rows of results to the places of their grid positions in the target."""
    size = element_bytes(zero)
    grid, sizes, first, hop = table[1], table[8], table[9], table[10]
    for row in range(rows):
        position = first_row + row
        w = first[2] + position % grid[2] * hop[2]
        h = first[1] + position // grid[2] % grid[1] * hop[1]
        d = first[0] + position // (grid[2] * grid[1]) % grid[0] * hop[0]
        n = position // (grid[2] * grid[1] * grid[0])
        pixel = ((n * sizes[0] + d) * sizes[1] + h) * sizes[2] + w
        copy_run(zero, rows_from + row * columns * size, target + pixel * target_pixel, columns)


@inner
def weight_task(zero, arguments, index):
    """One task: the gradient of some taps and channels of one group, summed over some of the positions."""
    band, x, gy, partial, positions, x_channels, outputs, groups, all_taps, all_channels, parts = arguments[
        :11
    ]
    tap_blocks, channel_blocks, most_taps, most_channels = arguments[11:15]
    table = arguments[15:].reshape(FIELDS, 3)
    size = element_bytes(zero)
    width = WIDTH_BYTES // size

    part, block = index % parts, index // parts
    group, place = block // (tap_blocks * channel_blocks), block % (tap_blocks * channel_blocks)
    first_tap, first_channel = place // channel_blocks * most_taps, place % channel_blocks * most_channels
    taps, channels = min(most_taps, all_taps - first_tap), min(most_channels, all_channels - first_channel)
    # Whole panels, so that every part but the last sums over the same number of positions.
    panels = -(-positions // WEIGHT_POSITIONS)
    first = panels * part // parts * WEIGHT_POSITIONS
    last = min(positions, panels * (part + 1) // parts * WEIGHT_POSITIONS)
    gradient = partial + part * all_taps * all_channels * outputs * size
    group_outputs = outputs // groups
    pixel = x_channels * size
    depth = taps * channels
    panel = new_matrix(zero, WEIGHT_POSITIONS, depth + _PADDING // size)
    strip = new_matrix(zero, WEIGHT_POSITIONS, width)
    start = x + (group * all_channels + first_channel) * size
    for position in range(first, last, WEIGHT_POSITIONS):
        rows = min(WEIGHT_POSITIONS, last - position)
        gather(
            zero,
            start,
            pixel,
            table,
            position,
            rows,
            first_tap,
            taps,
            channels,
            address_of(panel),
            panel.strides[0],
        )
        for n in range(0, group_outputs, width):
            count = min(width, group_outputs - n)
            column = (group * group_outputs + n) * size
            source = gy + position * outputs * size + column
            copy_rows(zero, source, outputs * size, address_of(strip), WIDTH_BYTES, rows, count)
            finish = 0 if position == first else ADD
            if channels == all_channels:
                target = gradient + first_tap * all_channels * outputs * size + column
                call_band(
                    band,
                    address_of(panel),
                    size,
                    panel.strides[0],
                    address_of(strip),
                    WIDTH_BYTES,
                    rows,
                    target,
                    outputs * size,
                    depth,
                    count,
                    finish,
                )
                continue
            for tap in range(taps):
                row = (first_tap + tap) * all_channels + first_channel
                target = gradient + row * outputs * size + column
                call_band(
                    band,
                    address_of(panel) + tap * channels * size,
                    size,
                    panel.strides[0],
                    address_of(strip),
                    WIDTH_BYTES,
                    rows,
                    target,
                    outputs * size,
                    channels,
                    count,
                    finish,
                )


@inner
def add_task(zero, arguments, index):
    """One task: some elements of the sum of several arrays, which follow each other in memory."""
    parts, total, count, size = arguments[0], arguments[1], arguments[2], arguments[3]
    first = index * ADDED_TOGETHER
    wanted, offset = min(ADDED_TOGETHER, size - first), first * element_bytes(zero)
    copy_run(zero, parts + offset, total + offset, wanted)
    for part in range(1, count):
        add_run(zero, parts + part * size * element_bytes(zero) + offset, total + offset, wanted)
