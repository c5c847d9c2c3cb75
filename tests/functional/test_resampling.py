"""Resampling: messages, round trips, what stays in place."""

import numpy as np
import pytest

from tinynet import functional as F
from tinynet.errors import ArgumentError, ShapeError


def message_of(error, function, *arguments, **options):
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    return str(caught.value)


def test_messages_of_upsample():
    x = np.ones((1, 2, 2, 1))
    assert message_of(ArgumentError, F.upsample, x) == (
        "upsample: give either scale or size, not scale=None and size=None"
    )
    assert message_of(ArgumentError, F.upsample, x, 2, mode="cubic") == (
        "upsample: mode must be 'nearest' or 'bilinear', not 'cubic'"
    )
    assert message_of(ArgumentError, F.upsample, x, (2, -1)) == (
        "upsample: scale must be positive, one or 2 numbers, not (2, -1)"
    )
    assert message_of(ShapeError, F.upsample, np.ones((2, 3, 1)), 2, mode="bilinear") == (
        "upsample: x must have 4 axes (N, H, W, C), but has shape (2, 3, 1)"
    )
    assert message_of(ShapeError, F.upsample, np.ones((2, 0, 3, 1)), size=2) == (
        "upsample: x has no spatial elements (shape (2, 0, 3, 1))"
    )


def test_messages_about_blocks():
    assert message_of(ShapeError, F.space_to_depth, np.ones((1, 4, 5, 1)), 2) == (
        "space_to_depth: axis 2 of x (shape (1, 4, 5, 1)) has 5 elements, which is no multiple of 2"
    )
    assert message_of(ShapeError, F.pixel_shuffle, np.ones((1, 4, 5, 6)), 2) == (
        "pixel_shuffle: axis 3 of x (shape (1, 4, 5, 6)) has 6 elements, which is no multiple of 4"
    )
    assert message_of(ShapeError, F.depth_to_space, np.ones((4, 5, 6)), 2) == (
        "depth_to_space: x must be (N, H, W, C), but has shape (4, 5, 6)"
    )


@pytest.mark.parametrize("block", [1, 2, 3])
def test_round_trips(rng, block):
    x = rng.normal(size=(2, 6, 12, 3))
    np.testing.assert_array_equal(F.depth_to_space(F.space_to_depth(x, block), block).numpy(), x)
    np.testing.assert_array_equal(F.pixel_shuffle(F.pixel_unshuffle(x, block), block).numpy(), x)


def test_the_two_orders_of_channels():
    square = np.arange(8.0).reshape(1, 2, 2, 2)
    assert F.space_to_depth(square, 2).numpy().ravel().tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert F.pixel_unshuffle(square, 2).numpy().ravel().tolist() == [0, 2, 4, 6, 1, 3, 5, 7]


def test_a_pass_through_layer():
    assert F.space_to_depth(np.ones((1, 26, 26, 64), np.float32), 2).shape == (1, 13, 13, 256)


def test_aligned_corners_keep_the_corners(rng):
    x = rng.normal(size=(1, 3, 4, 2))
    y = F.upsample(x, size=(7, 9), mode="bilinear", align_corners=True).numpy()
    np.testing.assert_allclose(y[:, ::6, ::8], x[:, ::2, ::3], atol=1e-12)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_constants_stay_constant(mode):
    y = F.upsample(np.full((1, 3, 4, 2), 0.7, np.float32), size=(5, 11), mode=mode)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.numpy(), 0.7, rtol=3e-7)


def test_numpy_numbers_as_scale():
    assert F.upsample(np.ones((1, 2, 3, 1)), scale=np.int64(2)).shape == (1, 4, 6, 1)


def test_bilinear_upsampling_keeps_infinities_local():
    x = np.zeros((1, 6, 6, 1))
    x[0, 0, 0, 0] = np.inf
    y = F.upsample(x, 2, mode="bilinear").numpy()[0, :, :, 0]
    assert np.isfinite(y[3:]).all()
    assert np.isfinite(y[:, 3:]).all()
    assert y[0, 0] == np.inf or np.isnan(y[0, 0])  # ∞ · 0, where the other neighbour has no share
