"""Activation functions: extreme inputs, kinks, options, error messages."""

import math

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])

LEVEL_OUT = {  # the limits for x → −∞ and the value at the far right, as a function of x
    "sigmoid": (lambda x: 0.0, lambda x: 1.0),
    "tanh": (lambda x: -1.0, lambda x: 1.0),
    "hard_sigmoid": (lambda x: 0.0, lambda x: 1.0),
    "hard_tanh": (lambda x: -1.0, lambda x: 1.0),
    "relu": (lambda x: 0.0, lambda x: x),
    "relu6": (lambda x: 0.0, lambda x: 6.0),
    "leaky_relu": (lambda x: 0.01 * x, lambda x: x),
    "elu": (lambda x: -1.0, lambda x: x),
    "selu": (lambda x: -1.7580993408473766, lambda x: 1.0507009873554805 * x),
    "log_sigmoid": (lambda x: x, lambda x: 0.0),
    "softplus": (lambda x: 0.0, lambda x: x),
    "silu": (lambda x: 0.0, lambda x: x),
    "mish": (lambda x: 0.0, lambda x: x),
    "gelu": (lambda x: 0.0, lambda x: x),
    "hard_swish": (lambda x: 0.0, lambda x: x),
}


@DTYPES
@pytest.mark.parametrize("size", [1e3, 1e30])
@pytest.mark.parametrize("name", LEVEL_OUT)
def test_huge_inputs_neither_overflow_nor_lose_their_gradient(name, size, dtype):
    low, high = LEVEL_OUT[name]
    x = tn.tensor(np.array([-size, size], dtype), requires_grad=True)
    y = getattr(F, name)(x)
    expected = np.array([low(x.data[0]), high(x.data[1])])
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-6)
    for create_graph in (False, True):
        gradient = tn.grad(y, x, np.ones(2, dtype), create_graph=create_graph, retain_graph=True)
        slopes = np.array([low(1.0) - low(0.0), high(1.0) - high(0.0)])
        np.testing.assert_allclose(gradient.numpy(), slopes, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("approximate", [False, "tanh"])
def test_gelu_of_huge_inputs(approximate):
    x = tn.tensor(np.array([-1e30, -100, 100, 1e30], np.float32), requires_grad=True)
    y = F.gelu(x, approximate=approximate)
    np.testing.assert_array_equal(y.numpy(), np.maximum(x.numpy(), 0))
    for create_graph in (False, True):
        gradient = tn.grad(y, x, np.ones(4, np.float32), create_graph=create_graph, retain_graph=True)
        np.testing.assert_array_equal(gradient.numpy(), [0, 0, 1, 1])


@DTYPES
def test_softsign_of_huge_inputs(dtype):
    x = tn.tensor(np.array([-1e30, 1e30], dtype), requires_grad=True)
    y = F.softsign(x)
    np.testing.assert_array_equal(y.numpy(), [-1, 1])
    for create_graph in (False, True):
        gradient = tn.grad(y, x, np.ones(2, dtype), create_graph=create_graph, retain_graph=True)
        np.testing.assert_allclose(gradient.numpy(), 0, atol=1e-30)


@DTYPES
def test_sigmoid_is_accurate_far_below_zero(dtype):
    x = np.array([-80, -40, -20], dtype)
    np.testing.assert_allclose(F.sigmoid(x).numpy(), np.exp(x.astype(float)), rtol=1e-6)
    np.testing.assert_allclose(F.softplus(x).numpy(), np.exp(x.astype(float)), rtol=1e-6)
    np.testing.assert_allclose(F.log_sigmoid(-x).numpy(), -np.exp(x.astype(float)), rtol=1e-6)


def test_sigmoid_of_infinities():
    np.testing.assert_array_equal(F.sigmoid(np.array([-np.inf, np.inf])).numpy(), [0, 1])


@pytest.mark.parametrize("name", [*LEVEL_OUT, "softsign", "softmax", "log_softmax"])
def test_nan_stays_nan(name):
    y = getattr(F, name)(np.array([0.5, np.nan], np.float32)).numpy()
    assert np.isnan(y[1])


@pytest.mark.parametrize(
    ("name", "kinks", "slopes"),
    [
        ("relu", [0], [0]),
        ("leaky_relu", [0], [0.01]),
        ("relu6", [0, 6], [0, 0]),
        ("hard_tanh", [-1, 1], [0, 0]),
        ("hard_sigmoid", [-3, 3], [0, 0]),
        ("elu", [0], [1]),
        ("softsign", [0], [1]),
    ],
)
def test_slopes_at_the_kinks(name, kinks, slopes):
    x = tn.tensor(np.array(kinks, np.float64), requires_grad=True)
    getattr(F, name)(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), slopes)


def test_a_slope_of_zero_stops_an_infinite_gradient():
    x = tn.tensor([-1.0, 1.0], requires_grad=True)
    gradient = tn.grad(F.relu(x), x, np.array([np.inf, 2], np.float32))
    np.testing.assert_array_equal(gradient.numpy(), [0, 2])


def test_relu_keeps_integers():
    y = F.relu(np.array([-2, 3]))
    assert y.dtype == np.int64
    assert y.tolist() == [0, 3]


def test_smooth_activations_take_integers_and_lists():
    assert F.sigmoid([0, 0]).dtype == np.float32
    assert F.sigmoid(np.array([0])).item() == 0.5


def test_softplus_is_linear_beyond_its_threshold():
    x = np.array([20.5])
    assert F.softplus(x).item() == 20.5
    assert F.softplus(x, threshold=math.inf).item() > 20.5


def test_gelu_spellings():
    x = np.linspace(-3, 3, 7)
    np.testing.assert_array_equal(F.gelu(x, "none").numpy(), F.gelu(x).numpy())
    np.testing.assert_array_equal(F.gelu(x, True).numpy(), F.gelu(x, "tanh").numpy())
    largest = abs(F.gelu(x).numpy() - F.gelu(x, "tanh").numpy()).max()
    assert 0 < largest < 5e-4


def test_softmax_of_large_and_of_infinite_logits():
    x = np.array([[1000.0, 1000.0, -np.inf], [-1e30, 0.0, -1e30]], np.float32)
    np.testing.assert_array_equal(F.softmax(x).numpy(), [[0.5, 0.5, 0], [0, 1, 0]])
    np.testing.assert_allclose(
        F.log_softmax(x).numpy()[0], [math.log(0.5), math.log(0.5), -np.inf], rtol=1e-6
    )


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (2, 0, 3)])
def test_softmax_of_nothing(function, shape):
    x = tn.tensor(np.zeros(shape), requires_grad=True)
    for axis in range(len(shape)):
        y = function(x, axis=axis)
        assert y.shape == shape
        gradient = tn.grad(y, x, np.zeros(shape))
        assert gradient.shape == shape


def test_softmax_of_half_precision():
    y = F.softmax(np.zeros((2, 4), np.float16))
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y.numpy(), 0.25)


def test_softmax_is_a_method_as_well():
    x = tn.tensor([[1.0, 2.0]])
    np.testing.assert_array_equal(x.softmax(axis=0).numpy(), [[1, 1]])
    np.testing.assert_array_equal(x.relu().numpy(), x.numpy())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: F.softmax(np.zeros((2, 3)), axis=2),
            tn.errors.ShapeError,
            r"softmax: axis 2 is out of range for x of shape \(2, 3\)",
        ),
        (
            lambda: F.log_softmax(1.0),
            tn.errors.ShapeError,
            r"log_softmax: axis -1 is out of range for x of shape \(\)",
        ),
        (
            lambda: F.gelu([1.0], approximate="sigmoid"),
            tn.errors.ArgumentError,
            "gelu: approximate must be False or 'tanh', not 'sigmoid'",
        ),
        (
            lambda: F.softplus([1.0], beta=0),
            tn.errors.ArgumentError,
            "softplus: beta must be above 0, not 0",
        ),
        (
            lambda: F.hard_tanh([1.0], low=1, high=-1),
            tn.errors.ArgumentError,
            r"hard_tanh: low \(1\) must be below high \(-1\)",
        ),
        (
            lambda: F.prelu(np.zeros((2, 3)), np.zeros(4)),
            tn.errors.ShapeError,
            r"prelu: weight has shape \(4,\) but x \(shape \(2, 3\)\) needs \(3,\) or one number",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        call()
