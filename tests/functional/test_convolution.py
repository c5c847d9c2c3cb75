"""Convolution: messages, documented shapes, equivalences, and derivatives of high order."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet.errors import ArgumentError, DTypeError, ShapeError


def message_of(error, function, *arguments, **options):
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    return str(caught.value)


def test_messages_about_channels_and_groups():
    x = np.ones((8, 32, 32, 3), np.float32)
    assert message_of(ShapeError, F.conv2d, x, np.ones((3, 3, 16, 32), np.float32)) == (
        "conv2d: x has 3 channels (shape (8, 32, 32, 3)) but weight expects 16 (shape (3, 3, 16, 32))"
    )
    x = np.ones((1, 5, 5, 4))
    assert message_of(ShapeError, F.conv2d, x, np.ones((3, 3, 4, 4)), groups=2) == (
        "conv2d: x has 4 channels (shape (1, 5, 5, 4)) but weight expects 8 in 2 groups (shape (3, 3, 4, 4))"
    )
    assert message_of(ShapeError, F.conv2d, x, np.ones((3, 3, 1, 4)), groups=3) == (
        "conv2d: groups = 3 must divide the 4 channels of x and the 4 of y"
    )
    assert message_of(ShapeError, F.conv2d, x, np.ones((3, 3, 4, 6)), np.ones(5)) == (
        "conv2d: bias has shape (5,) but weight (shape (3, 3, 4, 6)) makes 6 channels"
    )
    assert message_of(ShapeError, F.conv_transpose2d, x, np.ones((3, 3, 4, 6))) == (
        "conv_transpose2d: x has 4 channels (shape (1, 5, 5, 4)) but weight expects 6 "
        "(shape (3, 3, 4, 6), channels of x last)"
    )


def test_messages_about_axes():
    assert message_of(ShapeError, F.conv1d, np.ones((2, 5, 5, 3)), np.ones((3, 3, 4))) == (
        "conv1d: x must have 3 axes (N, T, C), but has shape (2, 5, 5, 3)"
    )
    assert message_of(ShapeError, F.conv3d, np.ones((2, 5, 5, 3)), np.ones((3, 3, 3, 4))) == (
        "conv3d: x must have 5 axes (N, D, H, W, C), but has shape (2, 5, 5, 3)"
    )
    assert message_of(ShapeError, F.conv2d, np.ones((2, 5, 5, 3)), np.ones((3, 3, 4))) == (
        "conv2d: weight must have 4 axes (kernel sizes, two for channels), but has shape (3, 3, 4)"
    )


def test_messages_about_windows_that_do_not_fit():
    x = np.ones((1, 8, 4, 1))
    assert message_of(ShapeError, F.conv2d, x, np.ones((3, 3, 1, 1)), dilation=2, padding=(1, (0, 0))) == (
        "conv2d: the window covers 5 (size 3, dilation 2) but spatial axis 1 of x has only 4 "
        "(size 4, padding (0, 0))"
    )
    assert message_of(ShapeError, F.conv_transpose2d, x, np.ones((3, 3, 1, 1)), padding=(0, 3)) == (
        "conv_transpose2d: padding (3, 3) leaves 0 elements of spatial axis 1 "
        "(x has shape (1, 8, 4, 1), weight (3, 3, 1, 1))"
    )
    assert message_of(
        ArgumentError, F.conv_transpose2d, x, np.ones((3, 3, 1, 1)), stride=2, output_padding=2
    ) == ("conv_transpose2d: output_padding 2 of spatial axis 0 must be less than the stride, 2")


def test_messages_about_dtypes():
    x, weight = np.ones((1, 4, 4, 1), np.float32), np.ones((3, 3, 1, 1))
    assert message_of(DTypeError, F.conv2d, x, weight) == "conv2d: x is float32 but weight is float64"
    assert message_of(DTypeError, F.conv2d, np.ones((1, 4, 4, 1)), weight, np.ones(1, np.float32)) == (
        "conv2d: x is float64 but bias is float32"
    )
    assert message_of(DTypeError, F.conv2d, np.ones((1, 4, 4, 1), int), weight) == (
        "conv2d: x must hold floating-point numbers, not int64"
    )


@pytest.mark.parametrize("stride", [0, (1, 2, 3), 1.5, "2", (1, 0)])
def test_messages_about_strides(stride):
    assert message_of(
        ArgumentError, F.conv2d, np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 1)), stride=stride
    ) == (f"conv2d: stride must be an integer of at least 1 or 2 of them, not {stride!r}")


@pytest.mark.parametrize("padding", ["full", -1, (1, 2, 3), ((0, 1, 2), 1), (0.5, 1), ((1, -1), 0), None])
def test_messages_about_padding(padding):
    assert message_of(
        ArgumentError, F.conv2d, np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 1)), padding=padding
    ) == (
        "conv2d: padding must be 'same', 'valid', a number, or for each of the 2 spatial axes a number or a "
        f"(before, after) pair, none negative, not {padding!r}"
    )


def test_documented_image_network_shapes():
    x = np.ones((1, 39, 39, 3), np.float32)
    x = F.conv2d(x, np.ones((3, 3, 3, 10), np.float32))
    assert x.shape == (1, 37, 37, 10)
    x = F.conv2d(x, np.ones((5, 5, 10, 20), np.float32), stride=2)
    assert x.shape == (1, 17, 17, 20)
    x = F.conv2d(x, np.ones((5, 5, 20, 40), np.float32), stride=2)
    assert x.shape == (1, 7, 7, 40)
    assert x.size == 1960


def test_documented_sequence_and_volume_shapes():
    x = F.conv1d(np.ones((1, 14, 1)), np.ones((5, 1, 16)))
    assert x.shape == (1, 10, 16)
    assert F.conv1d(x, np.ones((5, 16, 32))).shape == (1, 6, 32)
    x = F.conv3d(np.ones((1, 14, 14, 14, 1), np.float32), np.ones((5, 5, 5, 1, 16), np.float32))
    assert x.shape == (1, 10, 10, 10, 16)
    assert F.conv3d(x, np.ones((5, 5, 5, 16, 32), np.float32)).shape == (1, 6, 6, 6, 32)


@pytest.mark.parametrize("size", range(1, 9))
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_padding_gives_the_size_divided_by_the_stride(size, kernel, stride):
    weight = np.ones((kernel, 1, 1))
    assert F.conv1d(np.ones((1, size, 1)), weight, stride=stride, padding="same").shape[1] == -(
        -size // stride
    )
    assert (
        F.conv_transpose1d(np.ones((1, size, 1)), weight, stride=stride, padding="same").shape[1]
        == size * stride
    )


def test_one_by_one_convolution_is_a_dense_layer_at_every_position(rng):
    x, weight, bias = rng.normal(size=(2, 6, 6, 32)), rng.normal(size=(1, 1, 32, 5)), rng.normal(size=5)
    np.testing.assert_allclose(F.conv2d(x, weight, bias).numpy(), x @ weight[0, 0] + bias, atol=1e-12)


@pytest.mark.parametrize(("kernel", "ratio"), [(1, 2), (3, 2), (2, 3)])
def test_sub_pixel_convolution_is_a_transposed_convolution(rng, kernel, ratio):
    """Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016.

    Output position q of the transposed convolution meets x[p] through weight[q − p·r]. With q = a·r + i
    that is weight[(a − p)·r + i]: a convolution, by the kernel elements of phase i, backwards.
    """
    x = rng.normal(size=(1, 4, 4, 3))
    weight = rng.normal(size=(kernel * ratio, kernel * ratio, 2, 3))
    whole = F.conv_transpose2d(x, weight, stride=ratio)
    phases = weight.reshape(kernel, ratio, kernel, ratio, 2, 3)[::-1, :, ::-1]
    # (k, i, l, j, o, c) → (k, l, c, o, i, j), which makes output channel o·r² + i·r + j.
    rearranged = phases.transpose(0, 2, 5, 4, 1, 3).reshape(kernel, kernel, 3, 2 * ratio**2)
    shuffled = F.pixel_shuffle(F.conv2d(x, rearranged, padding=kernel - 1), ratio)
    assert whole.shape == shuffled.shape == (1, (3 + kernel) * ratio, (3 + kernel) * ratio, 2)
    np.testing.assert_allclose(shuffled.numpy(), whole.numpy(), rtol=0, atol=1e-13)


def test_sub_pixel_shapes():
    y = F.conv2d(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 4)), padding="same")
    assert F.pixel_shuffle(y, 2).shape == (1, 8, 8, 1)


def test_a_transposed_convolution_is_the_transpose(rng):
    options = {"stride": 2, "padding": 1, "groups": 2}
    x, y = rng.normal(size=(2, 7, 5, 4)), rng.normal(size=(2, 4, 3, 6))
    weight = rng.normal(size=(3, 3, 2, 6))
    there = (F.conv2d(x, weight, **options) * y).sum().item()
    back = (F.conv_transpose2d(y, weight, **options) * x).sum().item()
    assert there == pytest.approx(back, rel=1e-12)


def test_a_network_slides_over_larger_images(rng):
    """A classifier of 14×14 images on a 16×16 image gives its results for the four crops."""
    first, second = rng.normal(size=(5, 5, 3, 4)), rng.normal(size=(5, 5, 4, 6))

    def network(x):
        return F.conv2d(F.max_pool2d(F.relu(F.conv2d(x, first)), 2), second).numpy()

    x = rng.normal(size=(1, 16, 16, 3))
    whole = network(x)
    assert whole.shape == (1, 2, 2, 6)
    for i in range(2):
        for j in range(2):
            crop = network(x[:, 2 * i : 2 * i + 14, 2 * j : 2 * j + 14])
            np.testing.assert_allclose(crop[:, 0, 0], whole[:, i, j], atol=1e-12)


def test_third_derivatives(rng):
    x = tn.tensor(rng.normal(size=(1, 4, 4, 1)), requires_grad=True)
    weight = tn.tensor(rng.normal(size=(2, 2, 1, 2)), requires_grad=True)
    direction = rng.normal(size=weight.shape)

    def loss(weight):
        return (F.conv2d(x, weight) ** 4).sum()

    derivative = loss(weight)
    for _ in range(3):
        (gradient,) = tn.grad(derivative, [weight], create_graph=True)
        derivative = (gradient * direction).sum()
    # Along a line the loss is a polynomial of degree 4 in the step: its third derivative is known.
    steps = np.arange(-2.0, 3.0)
    values = [loss(tn.tensor(weight.numpy() + step * direction)).item() for step in steps]
    expected = 6 * np.polynomial.Polynomial.fit(steps, values, 4).convert().coef[3]
    assert derivative.item() == pytest.approx(expected, rel=1e-9)
    assert derivative.requires_grad


@pytest.mark.parametrize("function", [F.conv2d, F.conv_transpose2d])
@pytest.mark.parametrize("wanted", [{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}])
@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_of_some_inputs_only(rng, function, wanted, create_graph):
    arrays = [rng.normal(size=shape) for shape in ((2, 4, 4, 2), (3, 3, 2, 2), (2,))]

    def gradients(indices):
        tensors = [tn.tensor(a, requires_grad=i in indices) for i, a in enumerate(arrays)]
        loss = (function(*tensors, stride=2, padding=1) ** 3).sum()
        return tn.grad(loss, [tensors[i] for i in sorted(indices)], create_graph=create_graph)

    everything = gradients({0, 1, 2})
    for index, gradient in zip(sorted(wanted), gradients(wanted), strict=True):
        np.testing.assert_allclose(gradient.numpy(), everything[index].numpy(), rtol=1e-12)


def test_single_precision(rng):
    """float32 stays close to float64 although each output is a sum of 2,304 products."""
    x, weight = rng.normal(size=(1, 8, 8, 256)), rng.normal(size=(3, 3, 256, 8))
    expected = F.conv2d(x, weight).numpy()
    found = F.conv2d(x.astype(np.float32), weight.astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=2e-6 * np.sqrt(2304) * 10)


@pytest.mark.parametrize("function", [F.conv2d, F.conv_transpose2d])
def test_empty_batch(function):
    x = tn.tensor(np.ones((0, 4, 4, 2)), requires_grad=True)
    weight = tn.tensor(np.ones((3, 3, 2, 2)), requires_grad=True)
    bias = tn.tensor(np.ones(2), requires_grad=True)
    y = function(x, weight, bias, padding=1)
    assert y.shape == (0, 4, 4, 2)
    y.sum().backward()
    assert x.grad.shape == (0, 4, 4, 2)
    assert not weight.grad.numpy().any()
    assert bias.grad.tolist() == [0, 0]
