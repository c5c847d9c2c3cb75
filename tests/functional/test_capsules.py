"""Capsules: the fused routing against its composed definition, gradients of two orders, and errors."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.functional.capsules import composed_route


def capsules(rng, samples=4, lower=9, lower_size=3, upper=5, upper_size=4):
    u = rng.normal(size=(samples, lower, lower_size))
    return u, rng.normal(size=(lower, upper, lower_size, upper_size))


def value_and_gradients(function, arrays, gy, create_graph=False):
    tensors = [tn.Tensor(array, requires_grad=True) for array in arrays]
    y = function(*tensors)
    return y, tn.grad(y, tensors, tn.Tensor(gy), create_graph=create_graph)


@pytest.mark.parametrize("iterations", [1, 2, 3])
@pytest.mark.parametrize("through_coefficients", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fused_equals_composed(iterations, through_coefficients, dtype, rng):
    arrays = [array.astype(dtype) for array in capsules(rng, 19, 40, 8, 10, 16)]
    arrays[1] *= 0.3
    gy = rng.normal(size=(19, 10, 16)).astype(dtype)
    options = iterations, through_coefficients
    y, gradients = value_and_gradients(lambda *t: F.route(*t, *options), arrays, gy)
    expected, composed = value_and_gradients(lambda *t: composed_route(*t, *options)[0], arrays, gy)
    tolerance = 1e-6 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=0, atol=tolerance)
    for found, other in zip(gradients, composed, strict=True):
        assert found.dtype == dtype
        scale = abs(other.numpy()).max()
        np.testing.assert_allclose(found.numpy() / scale, other.numpy() / scale, rtol=0, atol=tolerance)


def test_coefficients_of_a_lower_capsule_sum_to_one(rng):
    _, coefficients = composed_route(*capsules(rng), iterations=4)
    assert coefficients.shape == (4, 4, 9, 5)
    np.testing.assert_allclose(coefficients.numpy().sum(axis=-1), 1, rtol=0, atol=1e-14)
    np.testing.assert_allclose(coefficients.numpy()[0], 0.2, rtol=0, atol=1e-15)
    assert coefficients.numpy()[3].std() > coefficients.numpy()[1].std() > 0


def test_votes_that_agree_draw_the_coefficients_together():
    """Two lower capsules vote alike on the first upper capsule, and against each other on the second."""
    u = np.ones((1, 2, 1))
    weight = np.array([[[[1.0, 1.0]], [[1.0, 0.0]]], [[[1.0, 1.0]], [[-1.0, 0.0]]]])
    y, coefficients = composed_route(u, weight)
    assert (np.diff(coefficients.numpy()[:, 0, :, 0], axis=0) > 0).all()
    lengths = F.capsule_lengths(y).numpy()[0]
    assert lengths[0] > 0.6 > 0.01 > lengths[1]


@pytest.mark.parametrize("iterations", [1, 3])
def test_derivatives_of_routing(iterations, rng):
    inputs = [array * 0.7 for array in capsules(rng, 2, 4, 2, 3, 2)]
    assert tn.gradcheck(lambda u, weight: F.route(u, weight, iterations), inputs)
    assert tn.gradgradcheck(lambda u, weight: F.route(u, weight, iterations), inputs)


def test_second_derivatives_with_constant_coefficients_are_those_of_the_composed_definition(rng):
    arrays = capsules(rng)
    gy, direction = rng.normal(size=(4, 5, 4)), rng.normal(size=arrays[0].shape)
    results = []
    for function in (F.route, lambda *arguments: composed_route(*arguments)[0]):
        tensors = [tn.Tensor(array, requires_grad=True) for array in arrays]
        gu, _ = tn.grad(function(*tensors, 3, False), tensors, tn.Tensor(gy), create_graph=True)
        results.append(tn.grad((gu * tn.Tensor(direction)).sum(), tensors))
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("wanted", [0, 1])
def test_the_gradient_of_one_input_alone(wanted, create_graph, rng):
    arrays, gy = capsules(rng), tn.Tensor(rng.normal(size=(4, 5, 4)))
    _, both = value_and_gradients(F.route, arrays, gy.numpy())
    tensors = [tn.Tensor(array, requires_grad=index == wanted) for index, array in enumerate(arrays)]
    found = tn.grad(F.route(*tensors), tensors[wanted], gy, create_graph=create_graph)
    np.testing.assert_allclose(found.numpy(), both[wanted].numpy(), rtol=0, atol=1e-12)


def test_a_batch_without_samples(rng):
    u, weight = capsules(rng, samples=0)
    y, (gu, gweight) = value_and_gradients(F.route, (u, weight), np.zeros((0, 5, 4)))
    assert (y.shape, gu.shape) == ((0, 5, 4), u.shape)
    assert not gweight.numpy().any()


def test_squash_at_zero_has_derivatives():
    zero = tn.Tensor(np.zeros((1, 3)), requires_grad=True)
    gradient = tn.grad(F.squash(zero).sum(), zero, create_graph=True)
    np.testing.assert_array_equal(gradient.numpy(), np.zeros((1, 3)))
    assert np.isfinite(tn.grad(gradient.sum(), zero).numpy()).all()


def test_the_margin_loss_by_hand():
    lengths = np.array([[0.5, 0.3], [0.95, 0.05]])
    losses = F.margin_loss(lengths, [0, 0], reduction="none").numpy()
    np.testing.assert_allclose(losses, [0.4**2 + 0.5 * 0.2**2, 0], rtol=0, atol=1e-15)
    assert F.margin_loss(lengths, [0, 0]).item() == pytest.approx(0.09)


def test_masking_keeps_the_label_or_the_longest():
    x = np.array([[[1.0, 1.0], [3.0, 0.0]], [[0.0, -2.0], [1.0, 1.0]]])
    np.testing.assert_array_equal(F.mask_capsules(x).numpy(), [[0, 0, 3, 0], [0, -2, 0, 0]])
    np.testing.assert_array_equal(F.mask_capsules(x, [0, 1]).numpy(), [[1, 1, 0, 0], [0, 0, 1, 1]])


U, WEIGHT = np.ones((2, 3, 4)), np.ones((3, 2, 4, 5))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: F.squash(1.0), ShapeError, r"squash: x must be capsules \(..., D\), but has shape \(\)"),
        (lambda: F.squash(np.ones((3, 0))), ShapeError, "squash: x must be capsules"),
        (lambda: F.capsule_lengths(1.0), ShapeError, "capsule_lengths: x must be capsules"),
        (
            lambda: F.route(U[0], WEIGHT),
            ShapeError,
            r"route: u must be \(N, I, K\) and weight \(I, O, K, D\)",
        ),
        (lambda: F.route(U, WEIGHT[:, :0]), ShapeError, "route: .* with O at least 1"),
        (
            lambda: F.route(U, WEIGHT[:2]),
            ShapeError,
            r"route: u has 3 capsules of 4 numbers \(shape \(2, 3, 4\)\) but weight expects 2 of 4",
        ),
        (lambda: F.route(U, WEIGHT, 0), ArgumentError, "iterations must be an integer of at least 1, not 0"),
        (lambda: F.route(U, WEIGHT, True), ArgumentError, "iterations must be an integer .* not True"),
        (lambda: F.route(U, WEIGHT, 1.5), ArgumentError, r"iterations must be an integer .* not 1\.5"),
        (lambda: F.margin_loss(U[0], [0, 1]), ShapeError, "margin_loss: target has shape"),
        (lambda: F.margin_loss(U[0], [0, 1, 4]), ArgumentError, "the label in row 2 is 4 but lengths"),
        (lambda: F.margin_loss(U[0], [0.5, 1, 2]), DTypeError, "margin_loss: .* integer labels"),
        (lambda: F.margin_loss(U[0], [0, 1, 2], reduction="all"), ArgumentError, "reduction must be"),
        (lambda: F.mask_capsules(U[0]), ShapeError, r"mask_capsules: x must be capsules \(N, C, D\)"),
        (lambda: F.mask_capsules(U, [0, 3]), ArgumentError, "mask_capsules: the label in row 1 is 3"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
