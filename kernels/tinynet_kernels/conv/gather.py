"""Fills a panel: one row per grid position, holding what the window's taps see there.

An inner function of `direct`, whose kernels hold their own compiled copies of it.
"""

from tinynet_kernels.compile import inlined
from tinynet_kernels.simd.memory import clear_run, copy_run, element_bytes

__all__ = ["gather"]


@inlined
def gather(zero, source, pixel, table, first, rows, first_tap, taps, channels, panel, panel_row):
    """Writes the panel of grid positions `first` … `first` + `rows` - 1: (rows, taps * channels).

    Args:
        source: the address of the wanted channels of the source's first pixel.
        pixel: bytes from one pixel of the source to the next.
        table: see `sweep.Sweep`.
        first_tap, taps: which taps.
        channels: how many channels.
        panel, panel_row: address and row stride of the panel.
    """
    size = element_bytes(zero)
    grid, kernel_taps = table[1], table[5]
    # The taps of one line of the window see adjacent pixels: one longer copy instead of several.
    is_joined = (
        table[4, 2] == 1
        and pixel == channels * size
        and first_tap % kernel_taps[2] == 0
        and taps % kernel_taps[2] == 0
    )
    joined = kernel_taps[2] if is_joined else 1
    row = 0
    while row < rows:
        position = first + row
        w = position % grid[2]
        line = position // grid[2]
        h, d, n = line % grid[1], line // grid[1] % grid[0], line // (grid[1] * grid[0])
        span = min(grid[2] - w, rows - row)
        for tap in range(first_tap, first_tap + taps, joined):
            target = panel + row * panel_row + (tap - first_tap) * channels * size
            _gather_line(
                zero, source, pixel, table, n, d, h, w, span, tap, joined, channels, target, panel_row
            )
        row += span


@inlined
def _gather_line(zero, source, pixel, table, n, d, h, w, span, tap, joined, channels, target, target_row):
    """What `joined` taps from `tap` on see from `span` positions of one line of the grid."""
    sizes, step, start, spacing, taps = table[0], table[2], table[3], table[4], table[5]
    d = d * step[0] + start[0] + tap // (taps[2] * taps[1]) * spacing[0]
    h = h * step[1] + start[1] + tap // taps[2] % taps[1] * spacing[1]
    if d < 0 or d >= sizes[0] or h < 0 or h >= sizes[1]:
        for i in range(span):
            clear_run(zero, target + i * target_row, joined * channels)
        return
    line = source + ((n * sizes[0] + d) * sizes[1] + h) * sizes[2] * pixel
    at = w * step[2] + start[2] + tap % taps[2] * spacing[2]  # of the first of the joined taps
    inside = min(span, max(0, -(at // step[2])))  # the first position whose taps are all inside
    outside = max(inside, min(span, (sizes[2] - joined - at) // step[2] + 1))
    for i in range(inside, outside):
        copy_run(zero, line + (at + i * step[2]) * pixel, target + i * target_row, joined * channels)
    for i in range(inside):
        _gather_cells(
            zero, line, pixel, sizes[2], at + i * step[2], joined, channels, target + i * target_row
        )
    for i in range(outside, span):
        _gather_cells(
            zero, line, pixel, sizes[2], at + i * step[2], joined, channels, target + i * target_row
        )


@inlined
def _gather_cells(zero, line, pixel, length, at, joined, channels, target):
    """One position near the border: adjacent pixels from `at` on, zeros where there are none."""
    size = element_bytes(zero)
    for i in range(joined):
        cell = target + i * channels * size
        if 0 <= at + i < length:
            copy_run(zero, line + (at + i) * pixel, cell, channels)
        else:
            clear_run(zero, cell, channels)
