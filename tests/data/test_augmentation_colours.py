"""Augmentation by colours: shifts, light, and the components of the colours of a data set."""

import numpy as np
import pytest

from tinynet.data.augmentation import RandomBrightness, RandomColorShift, RandomContrast, RandomPrincipalColor

NUMBERS = np.random.default_rng(0).random((9, 12, 3))


def test_colour_shift_shifts_each_channel_by_its_own_number():
    shifts = []
    for seed in range(100):
        difference = RandomColorShift(0.2)(NUMBERS, np.random.default_rng(seed)) - NUMBERS
        assert np.ptp(difference, axis=(0, 1)).max() < 1e-12
        shifts.append(difference[0, 0])
    shifts = np.array(shifts)
    assert 0.19 < np.abs(shifts).max() <= 0.2
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.3


def test_brightness_multiplies_and_contrast_keeps_the_mean(rng):
    x = NUMBERS + 1
    for _ in range(20):
        factors = RandomBrightness(0.4)(x, rng) / x
        assert np.ptp(factors) < 1e-12 and 0.6 <= factors[0, 0, 0] <= 1.4
        y = RandomContrast(0.4)(x, rng)
        assert y.mean() == pytest.approx(x.mean())
        assert 0.6 <= y.std() / x.std() <= 1.4


def test_bytes_are_cut_off_and_numbers_are_not():
    white, seeds = np.full((2, 2, 1), 255, np.uint8), [np.random.default_rng(seed) for seed in range(20)]
    found = [RandomBrightness(0.5)(white, seed).max() for seed in seeds]
    assert max(found) == 255 and min(found) < 200
    assert max(RandomBrightness(0.5)(white / 255, seed).max() for seed in seeds) > 1.3


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_principal_colours_are_those_of_the_data(dtype, rng):
    """Pixels drawn along known directions, with known variances."""
    directions = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    variances = np.array([0.02, 0.004, 0.0005])
    pixels = 0.5 + rng.standard_normal((300, 20, 20, 3)) * np.sqrt(variances) @ directions.T
    images = pixels.astype(dtype) if dtype != np.uint8 else np.rint(255 * pixels.clip(0, 1)).astype(np.uint8)
    found = RandomPrincipalColor.of_images(images)
    np.testing.assert_allclose(found.eigenvalues, variances, rtol=0.03)
    np.testing.assert_allclose(np.abs(np.sum(found.eigenvectors * directions, axis=0)), 1, atol=1e-3)
    numbers = images.reshape(-1, 3).T / (255 if dtype == np.uint8 else 1)
    expected = np.linalg.eigvalsh(np.cov(numbers, bias=True))
    np.testing.assert_allclose(found.eigenvalues, expected[::-1], rtol=1e-6)


def test_principal_shifts_have_the_deviation_of_the_paper():
    eigenvectors = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))[0]
    eigenvalues = np.array([0.2, 0.02, 0.01])
    transform = RandomPrincipalColor(eigenvalues, eigenvectors, deviation=0.1)
    x, generator = np.zeros((1, 1, 3)), np.random.default_rng(0)
    shifts = np.array([transform(x, generator)[0, 0] for _ in range(4000)])
    np.testing.assert_allclose((shifts @ eigenvectors).std(axis=0), 0.1 * eigenvalues, rtol=0.05)
