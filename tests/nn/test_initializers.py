"""Initialisers: statistics, bounds, fans, reproducibility, errors."""

from math import sqrt

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.nn import init

DENSE = (300, 500)
CONVOLUTION = (5, 5, 20, 60)  # fan_in 500, fan_out 1500


def filled(function, shape, seed=0, **options):
    parameter = nn.Parameter(np.full(shape, np.nan, np.float32))
    assert function(parameter, generator=tn.Generator(seed), **options) is parameter
    return parameter.data


def test_fans_of_dense_and_convolution_weights():
    assert init.fans((3, 7)) == (3, 7)
    assert init.fans((5, 4, 3, 7)) == (60, 140)
    with pytest.raises(ShapeError, match=r"fans: a weight needs the shape \(\*kernel, in, out\), not \(3,\)"):
        init.fans((3,))


@pytest.mark.parametrize(
    ("function", "std"),
    [
        (init.glorot_uniform, sqrt(2 / 2000)),
        (init.glorot_normal, sqrt(2 / 2000)),
        (init.he_uniform, sqrt(2 / 500)),
        (init.he_normal, sqrt(2 / 500)),
        (init.lecun_uniform, sqrt(1 / 500)),
        (init.lecun_normal, sqrt(1 / 500)),
    ],
)
def test_mean_and_variance_by_fan(function, std):
    numbers = filled(function, CONVOLUTION)
    assert abs(numbers.mean()) < 0.02 * std
    assert numbers.std() == pytest.approx(std, rel=0.02)
    if "uniform" in function.__name__:
        bound = sqrt(3) * std
        assert abs(numbers).max() <= bound * (1 + 1e-6)
        assert abs(numbers).max() > 0.999 * bound
    assert filled(function, CONVOLUTION, gain=2.0).std() == pytest.approx(2 * std, rel=0.02)


def test_uniform_and_normal():
    numbers = filled(init.uniform, DENSE, low=-1.0, high=3.0)
    assert numbers.min() >= -1
    assert numbers.max() < 3
    assert numbers.mean() == pytest.approx(1, abs=0.02)
    numbers = filled(init.normal, DENSE, mean=2.0, std=0.5)
    assert numbers.mean() == pytest.approx(2, abs=0.01)
    assert numbers.std() == pytest.approx(0.5, rel=0.02)


def test_truncated_normal_keeps_its_bounds():
    numbers = filled(init.truncated_normal, DENSE, mean=1.0, std=0.5)
    assert numbers.min() >= 0
    assert numbers.max() <= 2
    assert numbers.std() == pytest.approx(0.5 * 0.8796, rel=0.02)
    assert filled(init.truncated_normal, DENSE, low=1.0, high=2.0).min() >= 1


def test_constants():
    parameter = nn.Parameter(np.empty((2, 3), np.float32))
    assert (init.constant(parameter, 2.5).data == 2.5).all()
    assert (init.ones(parameter).data == 1).all()
    assert (init.zeros(parameter).data == 0).all()


@pytest.mark.parametrize("shape", [(40, 30), (30, 40), (3, 3, 4, 10), (1, 1, 4, 10)])
def test_orthogonal(shape):
    matrix = filled(init.orthogonal, shape).reshape(-1, shape[-1])
    rows, columns = matrix.shape
    product = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
    np.testing.assert_allclose(product, np.eye(min(rows, columns)), atol=1e-5)


@pytest.mark.parametrize(
    "function", [init.uniform, init.normal, init.truncated_normal, init.he_normal, init.orthogonal]
)
def test_same_seed_same_numbers(function):
    np.testing.assert_array_equal(filled(function, (8, 9), seed=3), filled(function, (8, 9), seed=3))
    assert (filled(function, (8, 9), seed=3) != filled(function, (8, 9), seed=4)).any()


def test_default_generator_is_used_when_none_is_given():
    tn.manual_seed(7)
    first = nn.Linear(4, 5).weight.numpy()
    tn.manual_seed(7)
    np.testing.assert_array_equal(first, nn.Linear(4, 5).weight.numpy())


def test_float64_is_filled_with_full_precision():
    parameter = nn.Parameter(np.empty((50, 50)))
    init.glorot_uniform(parameter, generator=tn.Generator(0))
    assert (parameter.data != parameter.data.astype(np.float32)).any()


def test_a_change_by_an_initialiser_is_noticed_by_backward():
    x = nn.Parameter(np.ones(3, np.float32))
    y = (x * x).sum()
    init.zeros(x)
    with pytest.raises(tn.errors.GraphError, match="changed in place"):
        y.backward()


def test_skipped_initialisers_draw_nothing_and_leave_the_tensor():
    parameter = nn.Parameter(np.full((4, 5), 7.0, np.float32))
    generator = tn.Generator(0)
    with init.skipped():
        for function in (init.uniform, init.normal, init.he_normal, init.glorot_uniform, init.orthogonal):
            assert function(parameter, generator=generator) is parameter
        assert (parameter.data == 7).all()
        with init.skipped():
            pass
        init.normal(parameter, generator=generator)
        assert (parameter.data == 7).all()
        assert not nn.Linear(3, 2).bias.data.any()
    assert generator.uniform((3,)).tolist() == tn.Generator(0).uniform((3,)).tolist()
    init.normal(parameter, generator=generator)
    assert (parameter.data != 7).all()


def test_skipping_ends_with_an_error():
    with pytest.raises(KeyError), init.skipped():
        raise KeyError
    assert nn.Linear(3, 2).weight.data.any()


def test_errors():
    parameter = nn.Parameter(np.empty((3,), np.float32))
    with pytest.raises(ShapeError, match="fans"):
        init.glorot_uniform(parameter)
    with pytest.raises(ShapeError, match="fans"):
        init.orthogonal(parameter)
    with pytest.raises(ArgumentError, match="uniform: low \\(2\\) must not be above high \\(1\\)"):
        init.uniform(parameter, 2, 1)
    with pytest.raises(ArgumentError, match="normal: std must not be below 0, but is -1"):
        init.normal(parameter, std=-1)
    with pytest.raises(ArgumentError, match="truncated_normal: low \\(5\\) and high \\(6\\)"):
        init.truncated_normal(parameter, low=5, high=6)
    with pytest.raises(DTypeError, match="uniform: only floating-point tensors can be filled, not int64"):
        init.uniform(tn.Tensor(np.zeros(3, np.int64)))


def test_layers_start_glorot_uniform_with_zero_bias():
    layer = nn.Conv2d(20, 60, 5, generator=tn.Generator(0))
    assert abs(layer.weight.data).max() == pytest.approx(sqrt(6 / 2000), rel=1e-3)
    assert not layer.bias.data.any()
    layer = nn.ConvTranspose2d(60, 20, 5, generator=tn.Generator(0))
    assert abs(layer.weight.data).max() == pytest.approx(sqrt(6 / 2000), rel=1e-3)


def test_one_seed_gives_the_same_weights_on_every_device(cuda):
    on_cpu = nn.Linear(4, 5, generator=tn.Generator(3))
    with cuda:
        on_gpu = nn.Linear(4, 5, generator=tn.Generator(3))
    assert on_gpu.weight.device == cuda
    np.testing.assert_array_equal(on_gpu.weight.numpy(), on_cpu.weight.numpy())
