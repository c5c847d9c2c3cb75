"""Interpolation with whole arrays: the neighbours of every place, and their weights."""

from tinynet_kernels.dispatch import array_module
from tinynet_kernels.sampling.scales import table

__all__ = ["bilinear", "resize", "resize_backward"]


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


def resize(x, scale):
    xp = array_module(x)
    lower, upper, share = neighbours(xp, scale, x.dtype)
    below = x[:, lower]
    return xp.where(share == 0, below, (1 - share) * below + share * x[:, upper])


def resize_backward(gy, scale):
    xp = array_module(gy)
    lower, upper, share = neighbours(xp, scale, gy.dtype)
    gx = xp.zeros((gy.shape[0], scale.old, gy.shape[2]), gy.dtype)
    xp.add.at(gx, (slice(None), lower), (1 - share) * gy)
    xp.add.at(gx, (slice(None), upper), xp.where(share == 0, 0, share * gy).astype(gy.dtype))
    return gx


def neighbours(xp, scale, dtype):
    """For each new element those below and above its place (new,), and its share of the way (new, 1)."""
    lower, share = table(scale)
    upper = (lower + 1).clip(max=scale.old - 1)
    return xp.asarray(lower), xp.asarray(upper), xp.asarray(share.astype(dtype))[:, None]
