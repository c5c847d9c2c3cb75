"""The small networks by which the lecture on convolutional networks explains padding, strides and pooling.

Source: A. Ng, "Convolutional Neural Networks", week 1.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet import functional as F
from tinynet import nn
from tinynet.errors import TinynetError

few = settings(deadline=None, derandomize=True, max_examples=80)


def layers_of(model, input_shape):
    return [(row.type, row.output_shape[1:], row.parameters) for row in nn.summarize(model, input_shape)]


def test_the_network_for_images_of_39_by_39(rng):
    model = nn.Sequential(
        *(nn.Conv2d(3, 10, 3), nn.ReLU()),
        *(nn.Conv2d(10, 20, 5, stride=2), nn.ReLU()),
        *(nn.Conv2d(20, 40, 5, stride=2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(1960, 10), nn.Softmax()),
    )
    layers = [layer for layer in layers_of(model, (39, 39, 3)) if layer[0] != "ReLU"]
    assert layers == [
        ("Conv2d", (37, 37, 10), 3 * 3 * 3 * 10 + 10),
        ("Conv2d", (17, 17, 20), 5 * 5 * 10 * 20 + 20),
        ("Conv2d", (7, 7, 40), 5 * 5 * 20 * 40 + 40),
        ("Flatten", (1960,), 0),
        ("Linear", (10,), 1960 * 10 + 10),
        ("Softmax", (10,), 0),
    ]
    probabilities = model(rng.random((2, 39, 39, 3), np.float32)).numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_a_layer_of_ten_filters_has_280_parameters_whatever_the_size_of_the_image():
    layer = nn.Conv2d(3, 10, 3)
    assert layer.num_parameters() == 280
    for size in (6, 6 * 167):
        assert layers_of(layer, (size, size, 3)) == [("Conv2d", (size - 2, size - 2, 10), 280)]


def test_a_volume_and_a_filter_as_deep_as_it_give_one_map():
    assert layers_of(nn.Conv2d(3, 1, 3), (6, 6, 3)) == [("Conv2d", (4, 4, 1), 28)]


def test_the_network_like_lenet5_for_colours():
    model = nn.Sequential(
        *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2, stride=2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2, stride=2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    shapes = [shape for kind, shape, _ in layers_of(model, (32, 32, 3)) if kind != "ReLU"]
    maps = [(28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16)]
    assert shapes == [*maps, (400,), (120,), (84,), (10,)]


@few
@given(n=st.integers(1, 40), f=st.integers(1, 9), p=st.integers(0, 5), s=st.integers(1, 5))
def test_the_size_of_the_output_is_n_plus_2p_minus_f_by_s_rounded_down_plus_1(n, f, p, s):
    x, weight = np.ones((1, n, 1, 1)), np.ones((f, 1, 1, 1))
    padding, stride = (p, 0), (s, 1)
    if n + 2 * p < f:
        with pytest.raises(TinynetError):
            F.conv2d(x, weight, stride=stride, padding=padding)
        return
    found = F.conv2d(x, weight, stride=stride, padding=padding).shape[1]
    assert found == (n + 2 * p - f) // s + 1
    positions = [start for start in range(0, n + 2 * p, s) if start + f <= n + 2 * p]
    assert found == len(positions)


@pytest.mark.parametrize("f", [1, 3, 5])
def test_same_padding_is_half_of_the_window(f, rng):
    x, weight = rng.random((1, 6, 6, 1)), rng.random((f, f, 1, 1))
    assert F.conv2d(x, weight, padding="valid").shape[1:3] == (6 - f + 1, 6 - f + 1)
    same = F.conv2d(x, weight, padding="same")
    assert same.shape == x.shape
    np.testing.assert_array_equal(same.numpy(), F.conv2d(x, weight, padding=(f - 1) // 2).numpy())


def test_convolution_does_not_turn_the_filter_over(rng):
    """Cross-correlation; the convolution of mathematics is that with the filter turned over."""
    x, weight = rng.random((6, 6)), rng.random((3, 3))
    found = F.conv2d(x[np.newaxis, ..., np.newaxis], weight[..., np.newaxis, np.newaxis]).numpy()[0, ..., 0]
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3))
    np.testing.assert_allclose(found, np.einsum("ijpq,pq->ij", windows, weight), rtol=1e-12)
    turned = np.einsum("ijpq,pq->ij", windows, weight[::-1, ::-1])
    assert not np.allclose(found, turned)


@pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AvgPool2d])
def test_pooling_halves_and_has_no_parameters(pool, rng):
    layer = pool(2, stride=2)
    assert layers_of(layer, (4, 4, 10)) == [(pool.__name__, (2, 2, 10), 0)]
    x = rng.random((1, 4, 4, 10))
    blocks = x.reshape(2, 2, 2, 2, 10)
    expected = blocks.max(axis=(1, 3)) if pool is nn.MaxPool2d else blocks.mean(axis=(1, 3))
    np.testing.assert_allclose(layer(x).numpy()[0], expected, rtol=1e-12)


def test_pooling_by_windows_of_two_rows_keeps_the_columns(rng):
    x = rng.random((1, 8, 5, 3))
    found = nn.MaxPool2d((2, 1))(x).numpy()
    assert found.shape == (1, 4, 5, 3)
    np.testing.assert_array_equal(found, np.maximum(x[:, ::2], x[:, 1::2]))


def test_pooling_over_everything_leaves_the_channels(rng):
    x = rng.random((2, 5, 7, 3))
    np.testing.assert_allclose(nn.GlobalAvgPool2d()(x).numpy(), x.mean(axis=(1, 2)), rtol=1e-12)
    np.testing.assert_array_equal(nn.GlobalMaxPool2d()(x).numpy(), x.max(axis=(1, 2)))


def test_layers_for_sequences_and_volumes():
    sequence = nn.Sequential(nn.Conv1d(1, 16, 5), nn.Conv1d(16, 32, 5))
    assert [shape for _, shape, _ in layers_of(sequence, (14, 1))] == [(10, 16), (6, 32)]
    volume = nn.Sequential(nn.Conv3d(1, 16, 5), nn.Conv3d(16, 32, 5))
    shapes = [shape for _, shape, _ in layers_of(volume, (14, 14, 14, 1))]
    assert shapes == [(10, 10, 10, 16), (6, 6, 6, 32)]
