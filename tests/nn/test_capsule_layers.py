"""Layers of capsules: what they compute, gradients through both, and arguments."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn
from tinynet.errors import ArgumentError, ShapeError


def test_primary_capsules_are_the_squashed_channels_of_a_convolution(rng):
    layer = nn.PrimaryCapsules(3, 4, 8, (3, 2), stride=2, padding=1)
    x = rng.normal(size=(2, 7, 8, 3)).astype(np.float32)
    maps = layer.conv(x).numpy()
    capsules = layer(x).numpy()
    assert capsules.shape == (2, maps.shape[1] * maps.shape[2] * 4, 8)
    place = 1 * maps.shape[2] + 2  # row 1, column 2
    expected = F.squash(maps[:, 1, 2, 16:24]).numpy()
    np.testing.assert_allclose(capsules[:, place * 4 + 2], expected, rtol=0, atol=1e-6)


def test_routed_capsules_are_routed(rng):
    layer = nn.RoutedCapsules(6, 3, 4, 5, iterations=2, generator=tn.Generator(0))
    u = rng.normal(size=(2, 6, 3)).astype(np.float32)
    expected = F.route(u, layer.weight, 2).numpy()
    np.testing.assert_array_equal(layer(u).numpy(), expected)
    assert layer.weight.shape == (6, 4, 3, 5)
    assert 0.6 < abs(layer.weight.numpy()).max() <= np.sqrt(6 / 8)


@pytest.mark.parametrize("check", [tn.gradcheck, tn.gradgradcheck])
def test_derivatives_through_both_layers(check, rng):
    primary = nn.PrimaryCapsules(2, 2, 3, 2).to("float64")
    routed = nn.RoutedCapsules(8, 3, 2, 2).to("float64")

    def function(x, weight, matrices):
        primary.conv.weight, routed.weight = weight, matrices
        return routed(primary(x))

    inputs = rng.normal(size=(2, 3, 3, 2)), primary.conv.weight.numpy(), routed.weight.numpy()
    assert check(function, [array.copy() for array in inputs])


def test_constant_coefficients_have_other_gradients(rng):
    u = rng.normal(size=(2, 6, 3)).astype(np.float32)
    gradients = []
    for through_coefficients in (True, False):
        layer = nn.RoutedCapsules(
            6, 3, 4, 5, through_coefficients=through_coefficients, generator=tn.Generator(0)
        )
        F.sum(F.square(layer(u))).backward()
        gradients.append(layer.weight.grad.numpy())
    assert abs(gradients[0] - gradients[1]).max() > 1e-3 * abs(gradients[0]).max()


def test_multiply_adds_of_the_documented_layer():
    layer = nn.RoutedCapsules(1152, 8, 10, 16)
    votes = 1152 * 10 * 16
    (row,) = nn.summarize(layer, (1152, 8))
    assert (row.output_shape, row.parameters) == ((None, 10, 16), 1_474_560)
    assert row.multiply_adds == votes * 8 + 3 * votes + 2 * votes  # votes, three sums, two agreements


def test_arguments_and_descriptions():
    assert repr(nn.RoutedCapsules(6, 3, 4, 5)) == (
        "RoutedCapsules(6 × 3 → 4 × 5, iterations=3, through_coefficients=True)"
    )
    assert "capsules=4, capsule_size=8" in repr(nn.PrimaryCapsules(3, 4, 8, 3))
    with pytest.raises(ArgumentError, match="RoutedCapsules: iterations must be an integer of at least 1"):
        nn.RoutedCapsules(6, 3, 4, 5, iterations=0)
    with pytest.raises(ArgumentError, match="PrimaryCapsules: capsules must be an integer of at least 1"):
        nn.PrimaryCapsules(3, 0, 8, 3)
    with pytest.raises(ShapeError, match="route: u has 5 capsules of 3 numbers"):
        nn.RoutedCapsules(6, 3, 4, 5)(np.ones((2, 5, 3), np.float32))
