"""NAC and NALU: their formulas, their gradients, and what they are for, calculating outside of the data."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.errors import ArgumentError


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def parameters_of(layer):
    return [parameter.numpy() for parameter in layer.parameters()]


@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4), (0, 4)])
def test_nac_by_its_formula(shape, rng):
    layer, x = nn.NAC(4, 3).to("float64"), rng.normal(size=shape)
    weight, mask = parameters_of(layer)
    expected = x @ (np.tanh(weight) * sigmoid(mask))
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4), (0, 4)])
def test_nalu_by_its_formula(shape, rng):
    layer, x = nn.NALU(4, 3, epsilon=1e-3).to("float64"), rng.normal(size=shape)
    gate, weight, mask = (
        dict(layer.named_parameters())[name].numpy()
        for name in ("gate", "accumulator.weight_hat", "accumulator.mask_hat")
    )
    both = np.tanh(weight) * sigmoid(mask)
    open_part = sigmoid(x @ gate)
    expected = open_part * (x @ both) + (1 - open_part) * np.exp(np.log(abs(x) + 1e-3) @ both)
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("make", [nn.NAC, nn.NALU])
@pytest.mark.parametrize("check", [tn.gradcheck, tn.gradgradcheck])
def test_derivatives(make, check, rng):
    layer = make(3, 2).to("float64")
    names = [name for name, _ in layer.named_parameters()]

    def function(x, *values):
        for name, value in zip(names, values, strict=True):
            *path, last = name.split(".")
            setattr(getattr(layer, path[0]) if path else layer, last, value)
        return layer(x)

    x = rng.uniform(0.5, 2, (4, 3)) * rng.choice([-1, 1], (4, 3))
    assert check(function, [x, *(array.copy() for array in parameters_of(layer))])


def trained(layer, target, steps, learning_rate, rng):
    """The layer, after it has seen numbers from 1 to 10."""
    optimizer = optim.Adam(layer.parameters(), lr=learning_rate)
    for _ in range(steps):
        x = rng.uniform(1, 10, (64, 2))
        loss = F.mse_loss(layer(x), target(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return layer


def relative_error(layer, target, rng):
    """The squared error far outside of what it was trained on; 1 is that of a guess by the mean."""
    x = rng.uniform(100, 1000, (500, 2))
    y, expected = layer(x).numpy(), target(x)
    return np.mean((y - expected) ** 2) / expected.var()


@pytest.mark.parametrize("sign", [1, -1], ids=["sum", "difference"])
def test_nac_learns_sums_and_differences_that_hold_outside_of_the_data(sign, rng):
    def target(x):
        return x[:, :1] + sign * x[:, 1:]

    layer = trained(nn.NAC(2, 1, generator=tn.Generator(0)).to("float64"), target, 1000, 0.5, rng)
    assert relative_error(layer, target, rng) < 1e-3
    np.testing.assert_allclose(layer.weight.numpy()[:, 0], [1, sign], rtol=0, atol=0.02)


def test_nalu_learns_products_that_hold_outside_of_the_data(rng):
    def target(x):
        return x[:, :1] * x[:, 1:]

    layer = trained(nn.NALU(2, 1, generator=tn.Generator(0)).to("float64"), target, 1500, 0.5, rng)
    assert relative_error(layer, target, rng) < 1e-3


def test_a_dense_network_learns_sums_that_do_not_hold_outside_of_the_data(rng):
    def target(x):
        return x[:, :1] + x[:, 1:]

    generator = tn.Generator(0)
    layers = nn.Linear(2, 8, generator=generator), nn.Tanh(), nn.Linear(8, 1, generator=generator)
    assert (
        relative_error(trained(nn.Sequential(*layers).to("float64"), target, 800, 0.03, rng), target, rng) > 1
    )


def test_arguments_and_descriptions():
    assert repr(nn.NAC(4, 3)) == "NAC(4, 3)"
    assert nn.NALU(4, 3).num_parameters() == 3 * 12
    assert nn.summarize(nn.NALU(4, 3), (4,)).total_parameters == 36
    with pytest.raises(ArgumentError, match="NAC: in_features must be an integer of at least 1, not 0"):
        nn.NAC(0, 3)
    with pytest.raises(ArgumentError, match="NALU: epsilon must be above 0, not 0"):
        nn.NALU(4, 3, epsilon=0)
