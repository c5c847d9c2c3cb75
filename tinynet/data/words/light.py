"""From a mask of ink to greys: colours, shadows and outlines, an uneven ground, blur, noise."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Light", "develop"]


@dataclass(frozen=True)
class Light:
    """How hard word images are to see.

    Attributes:
        least_contrast: the least difference of the greys of ink and ground, of 255.
        light_on_dark: the probability that the ink is lighter than the ground.
        unevenness: the largest standard deviation of the slow changes of ink and ground, of 255.
        decoration: the probability of a shadow, an outline or hollow letters.
        clutter: the probability of a stroke through the margin, such as a frame or a rule.
        blur: the largest standard deviation of the blur, in pixels.
        coarseness: the least part of the height that is kept when the image is made coarse.
        noise: the largest standard deviation of the noise, of 255.
    """

    least_contrast: float = 50.0
    light_on_dark: float = 0.45
    unevenness: float = 25.0
    decoration: float = 0.2
    clutter: float = 0.15
    blur: float = 1.0
    coarseness: float = 0.6
    noise: float = 14.0


def develop(mask, rng, light):
    """An image of the ink.

    Args:
        mask: (H, W), float32 from 0 to 1.
        rng: a `numpy.random.Generator`.
        light: a `Light`.

    Returns:
        (H, W), uint8.
    """
    ink, ground = _contrasting(rng, light)
    image = np.full(mask.shape, ground, np.float32)
    image += _uneven(mask.shape, rng, light)
    if rng.random() < light.clutter:
        _draw_rule(image, ground + rng.choice((-1, 1)) * rng.uniform(20, 120), rng)
    inside = mask
    if rng.random() < light.decoration:
        around, inside = _decorated(mask, rng)
        image += around * (rng.uniform(0, 255) - image)
    surface = ink + _uneven(mask.shape, rng, light) if rng.random() < 0.5 else ink
    image += inside * (surface - image)
    image = _softened(np.clip(image, 0, 255).astype(np.uint8), rng, light)
    image = image + rng.standard_normal(mask.shape, np.float32) * np.float32(light.noise * rng.random() ** 3)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _contrasting(rng, light):
    """The greys of ink and ground."""
    difference = rng.uniform(light.least_contrast, 235)
    darker = rng.uniform(0, 255 - difference)
    pair = (darker, darker + difference)
    return pair[::-1] if rng.random() < light.light_on_dark else pair


def _uneven(shape, rng, light):
    """Slow changes of light: a few numbers, enlarged to the shape."""
    from PIL import Image

    deviation = rng.uniform(0, light.unevenness)
    few = rng.standard_normal((rng.integers(2, 5), rng.integers(2, 7)), np.float32) * np.float32(deviation)
    return np.asarray(Image.fromarray(few).resize(shape[::-1], Image.Resampling.BICUBIC))


def _draw_rule(image, grey, rng):
    """A straight line along an edge, in place."""
    thickness = int(rng.integers(1, 4))
    offset = int(rng.integers(0, 3))
    edge = rng.integers(4)
    along = slice(offset, offset + thickness) if edge % 2 else slice(-offset - thickness, -offset or None)
    if edge < 2:
        image[along] = grey
    else:
        image[:, along] = grey


def _decorated(mask, rng):
    """What lies around or behind the letters, and the letters."""
    kind = rng.integers(3)
    if kind == 0:  # a shadow
        down, right = rng.integers(-2, 3, size=2)
        return np.roll(mask, (down, right), axis=(0, 1)) * np.float32(rng.uniform(0.5, 1)), mask
    if kind == 1:  # an outline
        return _filtered(mask, "MaxFilter", 3), mask
    # Hollow letters: the outline is the ink, and the inside may be anything.
    return _filtered(mask, "MinFilter", 3), mask - _filtered(mask, "MinFilter", 3)


def _filtered(mask, name, size):
    from PIL import Image, ImageFilter

    image = Image.fromarray((mask * 255).astype(np.uint8))
    return np.asarray(image.filter(getattr(ImageFilter, name)(size)), np.float32) / 255


def _softened(image, rng, light):
    """Blurred, or made coarse: reduced and enlarged again; or neither. float32."""
    from PIL import Image, ImageFilter

    kind = rng.random()
    picture = Image.fromarray(image)
    if kind < 0.45:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, light.blur)))
    elif kind < 0.75:
        part = rng.uniform(light.coarseness, 1)
        few = [max(4, round(length * part)) for length in picture.size]
        small = picture.resize(few, Image.Resampling.BILINEAR)
        picture = small.resize(picture.size, Image.Resampling.BICUBIC)
    return np.asarray(picture, np.float32)
