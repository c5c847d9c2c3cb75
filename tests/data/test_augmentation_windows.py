"""Augmentation by windows: rectangles, erasing, crops of all kinds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet.data import resize_bilinear
from tinynet.data.augmentation import CenterCrop, RandomErasing, RandomResizedCrop, ten_crops
from tinynet.data.augmentation.rectangles import random_rectangle
from tinynet.errors import ShapeError

few = settings(deadline=None, derandomize=True, max_examples=50)


@few
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    low=st.floats(0.01, 1),
    ratio=st.floats(0.2, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_rectangles_lie_inside(size, low, ratio, seed):
    rectangle = random_rectangle(size, (low, 1), (ratio, ratio), np.random.default_rng(seed))
    top, left, height, width = rectangle
    assert 0 <= top < top + height <= size[0]
    assert 0 <= left < left + width <= size[1]


def test_rectangles_have_the_areas_and_ratios_asked_for():
    rng = np.random.default_rng(0)
    found = np.array([random_rectangle((200, 300), (0.1, 0.3), (0.5, 2), rng) for _ in range(300)])
    areas, ratios = found[:, 2] * found[:, 3] / 60_000, found[:, 2] / found[:, 3]
    assert 0.095 < areas.min() < 0.12 and 0.28 < areas.max() < 0.305
    assert 0.49 < ratios.min() < 0.55 and 1.8 < ratios.max() < 2.03
    assert abs(np.median(np.log(ratios))) < 0.15
    assert found[:, 0].min() < 10 and found[:, 1].max() > 150


def test_a_rectangle_that_cannot_fit_is_the_largest_in_the_middle():
    assert random_rectangle((10, 4), (1, 1), (1, 1), np.random.default_rng(0)) == (3, 0, 4, 4)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_erasing_overwrites_one_rectangle(dtype):
    x = np.full((20, 30, 3), 77, np.uint8) if dtype == np.uint8 else np.full((20, 30, 3), 0.3, dtype)
    for seed in range(20):
        y = RandomErasing(1.0, area=(0.1, 0.2))(x, np.random.default_rng(seed))
        changed = (y != x).any(axis=-1)
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        inside = changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert inside.mean() > 0.95  # noise may hit the old value
        assert 0.08 < inside.size / 600 < 0.23
    assert y[changed].max() > (200 if dtype == np.uint8 else 0.8)


def test_erasing_happens_as_often_as_asked_for():
    generator = np.random.default_rng(0)
    erased = [(RandomErasing(0.3, fill=1)(np.zeros((8, 8, 1)), generator) == 1).any() for _ in range(500)]
    assert 110 < sum(erased) < 190


def test_resized_crops_show_a_part_of_the_image():
    ramp = np.stack(np.mgrid[0:40.0, 0:60.0], axis=-1)
    y = RandomResizedCrop(16, area=(0.25, 0.25), ratio=(1, 1))(ramp, np.random.default_rng(0))
    assert y.shape == (16, 16, 2)
    spans = np.ptp(y, axis=(0, 1))
    np.testing.assert_allclose(spans, np.sqrt(40 * 60 / 4) * 15 / 16, atol=1)


@pytest.mark.parametrize("size", [(20, 9), (3, 4)])
def test_resized_crops_follow_resize_bilinear(size):
    x = np.random.default_rng(0).random((9, 12, 3))
    whole = RandomResizedCrop(size, area=(1, 1), ratio=(0.75, 0.75))(x, np.random.default_rng(0))
    np.testing.assert_allclose(whole, resize_bilinear(x, size), rtol=1e-12)


def test_centre_crop():
    assert CenterCrop(3).batched
    x = np.arange(30).reshape(5, 6, 1)
    np.testing.assert_array_equal(CenterCrop((3, 2))(x), x[1:4, 2:4])
    np.testing.assert_array_equal(CenterCrop((3, 2))(np.stack([x, x]))[1], x[1:4, 2:4])
    with pytest.raises(ShapeError, match=r"CenterCrop: x has 5×6 pixels .* window of 6×6"):
        CenterCrop(6)(x)


def test_ten_crops_are_corners_middle_and_mirror_images(rng):
    x = rng.random((2, 6, 8, 3))
    crops = ten_crops(x, (4, 5))
    expected = [x[:, :4, :5], x[:, :4, 3:], x[:, 2:, :5], x[:, 2:, 3:], x[:, 1:5, 1:6]]
    assert len(crops) == 10
    for crop, other, whole in zip(crops[:5], crops[5:], expected, strict=True):
        np.testing.assert_array_equal(crop, whole)
        np.testing.assert_array_equal(other, whole[:, :, ::-1])
    for crop, tensor in zip(crops, ten_crops(tn.tensor(x), (4, 5)), strict=True):
        np.testing.assert_array_equal(tensor.numpy(), crop)
    with pytest.raises(ShapeError, match=r"ten_crops: x has 6×8 pixels .* window of 7×7"):
        ten_crops(x, 7)
