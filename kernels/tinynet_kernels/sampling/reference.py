"""Bilinear interpolation with whole arrays: four neighbours of every place, and their weights."""

from tinynet_kernels.dispatch import array_module

__all__ = ["bilinear"]


def bilinear(x, rows, columns, border, fill):
    xp = array_module(x)
    height, width, _ = x.shape
    rows, columns = place(xp, rows, height, border), place(xp, columns, width, border)
    top, left = xp.floor(rows), xp.floor(columns)
    a, b = (rows - top)[..., None], (columns - left)[..., None]
    top, left = top.astype(xp.int64), left.astype(xp.int64)

    def pixel(r, c):
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        found = x[xp.clip(r, 0, height - 1), xp.clip(c, 0, width - 1)]
        return xp.where(inside[..., None], found, fill) if border == "constant" else found

    above = (1 - b) * pixel(top, left) + b * pixel(top, left + 1)
    below = (1 - b) * pixel(top + 1, left) + b * pixel(top + 1, left + 1)
    return ((1 - a) * above + a * below).astype(x.dtype)


def place(xp, position, length, border):
    """Where to look along one axis for what lies at `position`: in the image, or just outside of it."""
    if border == "constant":
        return xp.clip(position, -2, length + 1)
    if border == "edge" or length == 1:
        return xp.clip(position, 0, length - 1)
    period = 2 * (length - 1)
    folded = xp.mod(position, period)
    return xp.minimum(folded, period - folded)
