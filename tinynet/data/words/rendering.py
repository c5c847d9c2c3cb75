"""Drawing a word as a camera might have seen it: its letters, its place in the picture, light and blur.

A word is first drawn large, as a *mask*: 1 where there is ink. The mask is then seen in perspective, which
gives masks of 32 rows, and those are mixed of a colour for the ink and one for the ground.
"""

from dataclasses import dataclass, field

import numpy as np

from tinynet.data.words.fonts import FONTS, load_font
from tinynet.data.words.images import HEIGHT, NARROWEST, WIDEST
from tinynet.data.words.light import Light, develop

__all__ = ["Style", "draw_word"]

FONT_SIZES = (30, 36, 42)
SIGNS_BEFORE = "$£\"'(-&"
SIGNS_AFTER = "....,,!!?:;'\")-®™%"
CLEARANCE = 4  # pixels around the mask, for thick strokes and what leans over


@dataclass(frozen=True)
class Style:
    """How far word images go, each number being the largest or the usual deviation from plain print.

    Attributes:
        rotation: the standard deviation of the angle, in degrees.
        shear: the standard deviation of the slant of upright strokes.
        narrowing: the mean of the logarithm of how much narrower letters are, since signs have narrow ones.
        stretch: its standard deviation; twice that is the most.
        perspective: by which part of its height a corner is moved at the most.
        spacing: the probability that letters are set apart.
        thickening: the probability that strokes are made thicker than the font has them.
        punctuation: the probability of a sign before or after the text that is no part of what is to be read.
        margins: the least and most ground on each side, as parts of the height of the letters; below 0 the
            image is cut into them.
        light: see `Light`.
    """

    rotation: float = 2.0
    shear: float = 0.12
    narrowing: float = 0.15
    stretch: float = 0.17
    perspective: float = 0.12
    spacing: float = 0.15
    thickening: float = 0.3
    punctuation: float = 0.0
    margins: tuple[float, float] = (0.0, 0.25)
    light: Light = field(default_factory=Light)


def draw_word(text, rng, style=None):
    """An image of a word.

    Args:
        text: characters that the fonts have, see `CHARACTERS`; at least one.
        rng: a `numpy.random.Generator`, from which font, place and light are drawn.
        style: a `Style`, or None for the usual one.

    Returns:
        (32, W, 1), uint8, with W from 8 to 256.

    Raises MissingExtraError when Pillow or Matplotlib isn't installed.
    """
    style = style or Style()
    mask = _ink(text, rng, style)
    corners = _moved_corners(mask.size, rng, style)
    width, corners = _framed(corners, rng, style)
    return develop(_seen(mask, corners, width), rng, style.light)[..., np.newaxis]


def _ink(text, rng, style):
    """The word in black and white, cut to its letters: an image of Pillow's, 255 where there is ink."""
    from PIL import Image, ImageDraw

    font = load_font(FONTS[rng.integers(len(FONTS))], FONT_SIZES[rng.integers(len(FONT_SIZES))])
    thickness = int(rng.random() < style.thickening)
    text = _with_sign(text, rng) if rng.random() < style.punctuation else text
    gap = font.size * rng.uniform(0.05, 0.3) if rng.random() < style.spacing else 0.0
    pieces = list(text) if gap else [text]
    advances = np.cumsum([0.0, *(font.getlength(piece) + gap for piece in pieces)])
    size = (int(advances[-1]) + 2 * font.size, 2 * font.size)
    mask = Image.new("L", size)
    draw = ImageDraw.Draw(mask)
    for piece, advance in zip(pieces, advances[:-1], strict=True):
        place = (font.size / 2 + advance, 1.4 * font.size)
        draw.text(place, piece, fill=255, font=font, anchor="ls", stroke_width=thickness)
    left, top, right, bottom = mask.getbbox()
    return mask.crop((left - CLEARANCE, top - CLEARANCE, right + CLEARANCE, bottom + CLEARANCE))


def _with_sign(text, rng):
    sign = SIGNS_AFTER[rng.integers(len(SIGNS_AFTER))]
    return text + sign if rng.random() < 0.8 else rng.choice(list(SIGNS_BEFORE)) + text


def _moved_corners(size, rng, style):
    """Where the corners of the mask are seen: (4, 2), clockwise from the upper left one, in any frame."""
    width, height = size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float) - (width / 2, height / 2)
    # A long word that is turned much becomes small in its frame: photographs of words are cut straighter.
    angle = np.deg2rad(style.rotation) * rng.normal() * min(1.0, 4 * height / width)
    slant = style.shear * rng.normal()
    stretch = np.exp(style.stretch * np.clip(rng.normal(), -2, 2) - style.narrowing)
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    seen = corners @ np.array([(stretch, 0.0), (-slant, 1.0)]) @ turn
    return seen + rng.uniform(-1, 1, (4, 2)) * style.perspective * height * (1.0, 0.7)


def _framed(corners, rng, style):
    """The width of the image, and where in it the corners are, in pixels."""
    lowest, highest = corners.min(axis=0), corners.max(axis=0)
    height = highest[1] - lowest[1]
    clear = CLEARANCE / 2  # what was left around the letters is ground already
    margins = rng.uniform(*style.margins, (2, 2)) * height * ((1.0, 0.6), (1.0, 0.6)) - clear
    lowest, highest = lowest - margins[0], highest + margins[1]
    scale = HEIGHT / (highest[1] - lowest[1])
    width = int(np.clip(round((highest[0] - lowest[0]) * scale), NARROWEST, WIDEST))
    scales = np.array([width / (highest[0] - lowest[0]), scale])
    return width, (corners - lowest) * scales


def _seen(mask, corners, width):
    """The mask in perspective, its corners at these places: (32, width), float32 from 0 to 1."""
    from PIL import Image

    coefficients = _homography(corners, mask.size)
    seen = mask.transform(
        (width, HEIGHT), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR
    )
    return np.asarray(seen, np.float32) / 255


def _homography(corners, size):
    """Eight numbers (a, …, h): (x, y) ↦ (ax + by + c, dx + ey + f) / (gx + hy + 1) takes the corners back."""
    width, height = size
    equations, right_sides = [], []
    originals = ((0, 0), (width, 0), (width, height), (0, height))
    for (x, y), (u, v) in zip(corners, originals, strict=True):
        equations.append((x, y, 1, 0, 0, 0, -u * x, -u * y))
        equations.append((0, 0, 0, x, y, 1, -v * x, -v * y))
        right_sides += (u, v)
    return np.linalg.solve(np.array(equations), np.array(right_sides, float)).tolist()
