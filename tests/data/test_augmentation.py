"""Augmentations: what each does to an image, and that a loader makes the same of it with any workers."""

from functools import partial

import numpy as np
import pytest

from tinynet.data import (
    ArrayDataset,
    Compose,
    DataLoader,
    RandomCrop,
    RandomHorizontalFlip,
    Scale,
)
from tinynet.data.augmentation import (
    RandomAffine,
    RandomBrightness,
    RandomColorShift,
    RandomContrast,
    RandomErasing,
    RandomPrincipalColor,
    RandomResizedCrop,
    RandomRotation,
    RandomShear,
    RandomWarp,
    sample_bilinear,
)
from tinynet.data.augmentation.affine import affine_places
from tinynet.data.augmentation.elastic import spline_weights
from tinynet.errors import ArgumentError, DTypeError, ShapeError

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)

RANDOM = {
    "affine": RandomAffine(30, shear=10, scale=(0.7, 1.5), shift=0.2),
    "rotation": RandomRotation(20, fill=7),
    "shear": RandomShear(20, border="edge"),
    "warp": RandomWarp(0.08),
    "colour shift": RandomColorShift(0.3),
    "brightness": RandomBrightness(0.5),
    "contrast": RandomContrast(0.5),
    "resized crop": RandomResizedCrop((5, 6)),
    "erasing": RandomErasing(1.0),
    "erasing with a number": RandomErasing(1.0, fill=3),
}
KINDS = [np.uint8, np.float32, np.float64]


def principal(channels):
    return RandomPrincipalColor(np.full(channels, 0.2), np.eye(channels), deviation=1)


def image(dtype, channels=3):
    x = PIXELS[..., :channels]
    return x.copy() if dtype == np.uint8 else (x / 255).astype(dtype)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("name", [*RANDOM, "principal colour"])
def test_each_changes_the_image_but_not_its_input(name, dtype, channels):
    transform = RANDOM.get(name) or principal(channels)
    x = image(dtype, channels)
    before = x.copy()
    results = [transform(x, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(x, before)
    assert {result.dtype for result in results} == {np.dtype(dtype)}
    assert {result.shape for result in results} == {(5, 6, channels) if "crop" in name else x.shape}
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])
    assert not np.array_equal(results[0], x)


@pytest.mark.parametrize(
    "name", ["affine", "shear", "warp", "colour shift", "brightness", "contrast", "principal colour"]
)
def test_bytes_and_numbers_become_the_same(name):
    """A transform gives for bytes what it gives for the same pixels from 0 to 1, rounded and cut off."""
    transform = RANDOM.get(name) or principal(3)
    as_bytes = transform(image(np.uint8), np.random.default_rng(5)).astype(int)
    as_numbers = transform(image(np.float64), np.random.default_rng(5))
    assert np.abs(as_bytes - 255 * as_numbers.clip(0, 1)).max() <= 0.51


@pytest.mark.parametrize(
    "transform",
    [
        RandomAffine(),
        RandomRotation(0),
        RandomShear(0),
        RandomWarp(0),
        RandomColorShift(0),
        RandomBrightness(0),
        RandomContrast(0),
        RandomErasing(0),
        RandomPrincipalColor(np.ones(3), np.eye(3), deviation=0),
        RandomResizedCrop((9, 12), area=(1, 1), ratio=(0.75, 0.75)),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_amounts_of_zero_change_nothing(transform, rng):
    np.testing.assert_array_equal(transform(image(np.uint8), rng), image(np.uint8))


# Places


def test_a_quarter_turn_is_exact():
    x = image(np.uint8)[:, :9]
    angle = np.pi / 2
    matrix = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turned = sample_bilinear(x, *affine_places((9, 9), matrix), border="edge")
    np.testing.assert_array_equal(turned, np.rot90(x))


def test_offsets_shift_down_and_right():
    x = image(np.uint8)
    shifted = sample_bilinear(x, *affine_places(x.shape[:2], np.eye(2), (2, 3)), fill=9)
    np.testing.assert_array_equal(shifted[2:, 3:], x[:-2, :-3])
    assert (shifted[:2] == 9).all() and (shifted[:, :3] == 9).all()


def test_shear_moves_rows_sideways_and_rotation_keeps_distances():
    """Where a white pixel ends up: by a shear in its own row, by a rotation as far from the centre."""
    x = np.zeros((41, 41, 1))
    x[8, 20] = 1
    grid = np.mgrid[0:41, 0:41]
    for seed in range(10):
        found = RandomShear(30)(x, np.random.default_rng(seed))[..., 0]
        row, column = (grid * found).sum(axis=(1, 2)) / found.sum()
        assert row == pytest.approx(8, abs=1e-9)
        assert abs(column - 20) <= 12 * np.tan(np.radians(30)) + 1
        found = RandomRotation(180)(x, np.random.default_rng(seed))[..., 0]
        row, column = (grid * found).sum(axis=(1, 2)) / found.sum()
        assert np.hypot(row - 20, column - 20) == pytest.approx(12, abs=0.25)


def test_angles_scales_and_shifts_fill_their_ranges():
    """The centroid of a small disc tells the angle, and a shift; its mass tells the scale."""
    grid = np.mgrid[0:61, 0:61] - 30.0
    disc = (np.hypot(grid[0], grid[1] - 15) < 5).astype(float)[..., np.newaxis]

    def moments(transform, seed):
        found = transform(disc, np.random.default_rng(seed))[..., 0]
        return found.sum() / disc.sum(), (grid * found).sum(axis=(1, 2)) / found.sum()

    angles = [np.degrees(np.arctan2(*moments(RandomRotation(40), seed)[1])) for seed in range(60)]
    assert -41 < min(angles) < -30 and 30 < max(angles) < 41
    masses = [moments(RandomAffine(scale=(0.5, 1.6)), seed)[0] for seed in range(60)]
    assert 0.2 < min(masses) < 0.4 and 2 < max(masses) < 2.7
    rows = [moments(RandomAffine(shift=0.2), seed)[1][0] for seed in range(60)]
    assert -12.3 < min(rows) < -9 and 9 < max(rows) < 12.3


def test_borders():
    x = np.arange(12.0).reshape(3, 4, 1)
    rows, columns = np.full((1, 1), -2.0), np.full((1, 1), 1.0)
    found = [
        sample_bilinear(x, rows, columns, border, fill=5).item() for border in ("constant", "edge", "reflect")
    ]
    assert found == [5, 1, 9]
    assert sample_bilinear(PIXELS, rows, columns, fill=(1, 2, 3)).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize(("length", "cells"), [(1, 1), (7, 3), (32, 4), (5, 8)])
def test_spline_weights_are_a_smooth_partition_of_one(length, cells):
    weights = spline_weights(length, cells)
    assert weights.shape == (length, cells + 3)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    # A spline through knots on a line is that line.
    knots = np.arange(cells + 3.0)
    np.testing.assert_allclose(weights @ knots, (np.arange(length) + 0.5) * cells / length + 1, rtol=1e-12)


def test_warping_moves_parts_differently_and_does_not_fold():
    rows, columns = np.mgrid[0:40.0, 0:40.0]
    ramp = np.stack([rows, columns], axis=-1)
    for seed in range(30):
        where = RandomWarp(0.3 / 4, cells=4, border="edge")(ramp, np.random.default_rng(seed))[5:-5, 5:-5]
        down, right = np.diff(where, axis=0)[:, :-1], np.diff(where, axis=1)[:-1]
        area = down[..., 0] * right[..., 1] - down[..., 1] * right[..., 0]
        assert area.min() >= 0
        assert np.ptp(where[..., 0] - rows[5:-5, 5:-5]) > 1


# In a loader


def chain():
    return Compose(
        RandomHorizontalFlip(),
        RandomCrop((9, 12), padding=2),
        RandomAffine(10, 5, (0.9, 1.1)),
        RandomWarp(0.05),
        RandomColorShift(0.1),
        RandomContrast(0.2),
        RandomErasing(0.5),
        Scale(),
    )


def epochs(**options):
    images = np.random.default_rng(1).integers(0, 256, (10, 9, 12, 3), dtype=np.uint8)
    loader = DataLoader(
        ArrayDataset(images, np.arange(10)), 4, shuffle=True, transform=chain(), seed=3, **options
    )
    return [np.concatenate([batch[0].numpy() for batch in loader]) for _ in range(2)]


def test_what_a_loader_makes_does_not_depend_on_its_workers():
    alone = epochs()
    for options in ({"workers": 1}, {"workers": 3}, {"workers": 2, "worker_type": "process"}):
        for found, expected in zip(epochs(**options), alone, strict=True):
            np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(alone[0], alone[1])


# Errors


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (partial(RandomRotation, -1), "RandomRotation: degrees should be 0 to 180, not -1"),
        (partial(RandomShear, 90), "RandomShear: .*should be 0 to 80, not 90"),
        (partial(RandomAffine, scale=(0, 1)), r"RandomAffine: scale should be a pair .* not \(0, 1\)"),
        (partial(RandomAffine, scale=2), "RandomAffine: scale should be a pair .* not 2"),
        (partial(RandomAffine, border="wrap"), "RandomAffine: border should be one of .* not 'wrap'"),
        (partial(RandomWarp, "much"), "RandomWarp: deviation should be 0 to 1, not 'much'"),
        (partial(RandomWarp, cells=0), "RandomWarp: cells should be at least 1, not 0"),
        (partial(RandomColorShift, float("nan")), "RandomColorShift: amount should be 0 to 1, not nan"),
        (partial(RandomErasing, 2), "RandomErasing: probability should be 0 to 1, not 2"),
        (partial(RandomErasing, area=(0.5, 1.5)), "RandomErasing: area should be a pair .* at most 1, not"),
        (partial(RandomErasing, fill="mean"), "RandomErasing: fill should be numbers or 'noise', not 'mean'"),
        (partial(RandomResizedCrop, 0), "RandomResizedCrop: size should be at least 1, not 0"),
        (partial(RandomPrincipalColor, [1, -1], np.eye(2)), "eigenvalues must not be negative"),
        (partial(RandomPrincipalColor, [1, 1], np.eye(3)), r"not of shapes \(2,\) and \(3, 3\)"),
        (partial(RandomPrincipalColor.of_images, np.ones((0, 2, 2, 3))), "with at least one pixel"),
    ],
)
def test_arguments_are_checked(make, text):
    with pytest.raises(ArgumentError, match=text):
        make()


@pytest.mark.parametrize("name", RANDOM)
def test_images_are_checked(name, rng):
    with pytest.raises(ShapeError, match=r"x should be \(H, W, C\), not of shape \(9, 12\)"):
        RANDOM[name](PIXELS[..., 0], rng)
    with pytest.raises(DTypeError, match="x should be uint8 or floating-point, not int64"):
        RANDOM[name](PIXELS.astype(np.int64), rng)


def test_places_and_channels_are_checked(rng):
    with pytest.raises(ShapeError, match=r"sample_bilinear: rows and columns must have one shape"):
        sample_bilinear(PIXELS, np.ones((1, 2)), np.ones((2, 1)))
    with pytest.raises(ShapeError, match=r"sample_bilinear: .* at least one pixel, not \(0, 2, 1\)"):
        RandomRotation(10)(np.ones((0, 2, 1)), rng)
    with pytest.raises(ShapeError, match=r"x has 3 channels on axis 2 .* but there are 1 eigenvalues"):
        principal(1)(PIXELS, rng)
