"""Transforms of images."""

import numpy as np
import pytest

from tinynet.data import (
    Compose,
    Normalize,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    Resize,
    Scale,
    resize_bilinear,
)
from tinynet.errors import ArgumentError, DTypeError, ShapeError

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    "transform",
    [
        Scale(),
        Compose(Scale(), Normalize([0.1, 0.2, 0.3], 0.5)),
        Resize((4, 9)),
        Pad((1, 2), fill=7),
        RandomCrop(4, padding=2),
        RandomHorizontalFlip(1.0),
    ],
)
def test_inputs_stay_as_they_are(transform):
    x = PIXELS.copy()
    result = transform(x, rng())
    np.testing.assert_array_equal(x, PIXELS)
    assert result.ndim == 3 and result.shape[-1] == 3


@pytest.mark.parametrize(
    "transform", [Scale(), Resize(6), Pad(2), Compose(Scale(), Normalize([0.1, 0.2, 0.3], [1, 2, 3]))]
)
def test_batched_transforms_give_the_same_for_a_batch(transform):
    assert transform.batched
    batch = rng().integers(0, 256, (4, 5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(transform(batch, None), np.stack([transform(x, None) for x in batch]))


def test_random_transforms_are_not_batched():
    assert not Compose(Scale(), RandomHorizontalFlip()).batched
    assert not hasattr(RandomCrop(3), "batched")


def test_scale():
    scaled = Scale()(PIXELS)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, PIXELS / 255, rtol=1e-6)
    assert Scale(np.float64)(PIXELS).dtype == np.float64
    with pytest.raises(DTypeError, match="Scale: x should be uint8, not float32"):
        Scale()(scaled)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalize(dtype):
    x = rng().random((5, 7, 3)).astype(dtype)
    found = Normalize([0.1, 0.2, 0.3], [1, 2, 4])(x)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, (x - [0.1, 0.2, 0.3]) / [1, 2, 4], rtol=1e-5, atol=1e-6)


def test_normalize_errors():
    with pytest.raises(ArgumentError, match="Normalize: std must be positive"):
        Normalize(0, [1, 0, 1])
    with pytest.raises(DTypeError, match="Normalize: x should be floating-point, not uint8"):
        Normalize(0, 1)(PIXELS)
    with pytest.raises(
        ShapeError, match=r"x has 3 channels on axis 2 \(shape \(5, 7, 3\)\) but mean has shape \(4,\)"
    ):
        Normalize([0] * 4, 1)(PIXELS / 255)


def test_pad():
    padded = Pad((1, 2), fill=9)(PIXELS)
    assert padded.shape == (7, 11, 3)
    np.testing.assert_array_equal(padded[1:-1, 2:-2], PIXELS)
    assert (padded[0] == 9).all() and (padded[:, -2:] == 9).all()
    assert Pad(1)(PIXELS[np.newaxis]).shape == (1, 7, 9, 3)
    with pytest.raises(ArgumentError, match="Pad: padding should be at least 0, not -1"):
        Pad(-1)


def test_random_crop_takes_every_window_and_nothing_else():
    x = np.arange(12).reshape(3, 4, 1)
    windows = {RandomCrop((2, 3))(x, rng(seed)).tobytes() for seed in range(100)}
    expected = {x[top : top + 2, left : left + 3].tobytes() for top in range(2) for left in range(2)}
    assert windows == expected


def test_random_crop_pads_first():
    crops = [RandomCrop(3, padding=1, fill=5)(np.zeros((3, 3, 1)), rng(seed)) for seed in range(30)]
    assert {int((crop == 5).sum()) for crop in crops} == {0, 3, 5}
    with pytest.raises(ShapeError, match=r"RandomCrop: x has 5×7 pixels .* window of 6×6"):
        RandomCrop(6)(PIXELS, rng())


def test_random_flip():
    np.testing.assert_array_equal(RandomHorizontalFlip(1.0)(PIXELS, rng()), PIXELS[:, ::-1])
    np.testing.assert_array_equal(RandomHorizontalFlip(0.0)(PIXELS, rng()), PIXELS)
    generator = rng()
    flips = sum(
        RandomHorizontalFlip(0.25)(PIXELS, generator)[0, 0, 0] != PIXELS[0, 0, 0] for _ in range(1000)
    )
    assert 200 < flips < 300
    with pytest.raises(ArgumentError, match="probability should be 0 to 1, not 2"):
        RandomHorizontalFlip(2)


@pytest.mark.parametrize("transform", [RandomCrop(2), RandomHorizontalFlip(), Resize(3), Pad(1)])
def test_images_need_three_axes(transform):
    with pytest.raises(ShapeError, match=r"x should be \(.*H, W, C\), not of shape \(5, 7\)"):
        transform(PIXELS[..., 0], rng())


@pytest.mark.parametrize("size", [(3, 3), (10, 7), (5, 7), (1, 1), (13, 2)])
def test_resize_follows_pytorch(size):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    x = rng().random((2, 5, 7, 3))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(x).permute(0, 3, 1, 2), size, mode="bilinear", align_corners=False
    ).permute(0, 2, 3, 1)
    found = resize_bilinear(x, size)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-12, atol=1e-12)


def test_resize_by_hand():
    row = np.array([0.0, 4.0]).reshape(1, 2, 1)
    np.testing.assert_allclose(resize_bilinear(row, (1, 4)).ravel(), [0, 1, 3, 4])
    np.testing.assert_allclose(resize_bilinear(row, (2, 1)).ravel(), [2, 2])


def test_resize_keeps_dtypes_and_constants():
    assert resize_bilinear(PIXELS, 9).dtype == np.uint8
    assert (resize_bilinear(np.full((3, 4, 1), 255, np.uint8), (11, 5)) == 255).all()
    assert resize_bilinear(PIXELS.astype(np.float32), 9).dtype == np.float32
    assert resize_bilinear(np.zeros((0, 4, 4, 1)), 2).shape == (0, 2, 2, 1)
    same = resize_bilinear(PIXELS, (5, 7))
    assert not np.shares_memory(same, PIXELS)


def test_resize_errors():
    with pytest.raises(ArgumentError, match="resize_bilinear: size should be one integer or two, not 'big'"):
        resize_bilinear(PIXELS, "big")
    with pytest.raises(ArgumentError, match=r"Resize: size should be one integer or two, not \(1, 2, 3\)"):
        Resize((1, 2, 3))
    with pytest.raises(ShapeError, match="have no pixels"):
        resize_bilinear(np.zeros((0, 4, 1)), 2)
