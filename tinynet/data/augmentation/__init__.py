"""Augmentation: more images to learn from, made out of those there are, each time in another way.

Transforms ``transform(x, rng)`` of one image (H, W, C), uint8 or floating-point, as `tinynet.data.transforms`
describes them: all randomness comes from `rng`, so that what a loader makes depends on its seed, the epoch
and the index of the image, whoever makes it. The simplest two, `RandomCrop` and `RandomHorizontalFlip`, stand
in `tinynet.data.transforms` itself. Labels, and boxes, stay as they are.

Amounts of colour are parts of the full scale: 255 for uint8, and 1 for floating-point images. uint8 results
are rounded, and cut off at 0 and 255; floating-point results are not cut off.
"""

from tinynet.data.augmentation.affine import RandomAffine, RandomRotation, RandomShear
from tinynet.data.augmentation.colour import RandomBrightness, RandomColorShift, RandomContrast
from tinynet.data.augmentation.crops import CenterCrop, RandomResizedCrop, ten_crops
from tinynet.data.augmentation.elastic import RandomWarp
from tinynet.data.augmentation.erasing import RandomErasing
from tinynet.data.augmentation.principal import RandomPrincipalColor
from tinynet.data.augmentation.sampled import sample_bilinear

__all__ = [
    "CenterCrop",
    "RandomAffine",
    "RandomBrightness",
    "RandomColorShift",
    "RandomContrast",
    "RandomErasing",
    "RandomPrincipalColor",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomShear",
    "RandomWarp",
    "sample_bilinear",
    "ten_crops",
]
