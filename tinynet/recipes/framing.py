"""Pictures of any size and brightness, framed like the images that a network was trained on."""

from dataclasses import dataclass

import numpy as np

from tinynet.data import resize_bilinear

__all__ = ["Framing", "frame_image", "light_ink"]

# Paper is never evenly white: what differs from it by less than this share of the full contrast is paper.
INK_THRESHOLD = 0.15
# A picture with less contrast than this, of the full range, has nothing on it that could be framed.
LEAST_CONTRAST = 0.05
# The longer side of a picture when it is searched for ink; the reduction takes the noise of the camera away.
SURVEY_PIXELS = 200


@dataclass(frozen=True)
class Framing:
    """How the images of a data set were made.

    Attributes:
        size: how many pixels high and wide they were before they were enlarged.
        margin: how many of these pixels are kept free on each side.
    """

    size: int
    margin: int = 0


def frame_image(grey, framing, size):
    """Light ink on a black ground, as large as the frame allows, its centre of mass in the middle.

    The ground is the median of the picture's edge; where it is light, the picture is inverted.

    Args:
        grey: (H, W) numbers from 0 to 1.
        framing: a `Framing`.
        size: (height, width) of the result.

    Returns:
        (height, width, 1), float32, from 0 to 1.
    """
    grey = _reduced(np.asarray(grey, dtype=np.float32), min(SURVEY_PIXELS, max(np.shape(grey))))
    ink = _reduced(_crop(light_ink(grey)), framing.size - 2 * framing.margin)
    framed = np.zeros((framing.size, framing.size, 1), dtype=np.float32)
    top, left = (_start(ink.sum(axis=axis), framing.size) for axis in (1, 0))
    framed[top : top + ink.shape[0], left : left + ink.shape[1], 0] = ink
    return resize_bilinear(framed, size)


def light_ink(grey):
    """A picture (H, W) from 0 to 1 as light ink on a black ground, of the same shape.

    0 where the ground is, the median of the edge, up to 1 where the picture differs from it most.
    """
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ground = np.median(edge)
    ink = ground - grey if ground > 0.5 else grey - ground
    contrast = ink.max()
    if contrast < LEAST_CONTRAST:
        return np.zeros_like(grey)
    return np.clip(ink / contrast, 0, 1)


def _crop(ink):
    """The smallest window with all the ink; the whole picture when it is empty."""
    rows, columns = (np.flatnonzero((ink > INK_THRESHOLD).any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return ink
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _start(profile, size):
    """Where a profile begins in a frame of `size` when its centre of mass shall come to the middle."""
    room = size - len(profile)
    mass = profile.sum()
    if not mass:
        return room // 2
    centre = (np.arange(len(profile)) + 0.5) @ profile / mass
    return min(max(round(size / 2 - centre), 0), room)


def _reduced(image, longest):
    """The picture with `longest` pixels along its longer side; each is the mean of what it covers."""
    height, width = (max(1, round(length * longest / max(image.shape))) for length in image.shape)
    return _averaged(_averaged(image, height).T, width).T


def _averaged(rows, count):
    """`count` rows, each the mean of the stretch of rows, fractions included, in whose place it comes."""
    total = np.zeros((len(rows) + 1, *rows.shape[1:]))
    np.cumsum(rows, axis=0, out=total[1:])
    edges = np.linspace(0, len(rows), count + 1)
    below = np.minimum(edges.astype(np.intp), len(rows) - 1)
    at_edges = total[below] + (edges - below)[:, np.newaxis] * rows[below]
    return np.diff(at_edges, axis=0) * (count / len(rows))
