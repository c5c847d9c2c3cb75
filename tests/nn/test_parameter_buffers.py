"""Flat buffers: parameters and gradients side by side in one array."""

import copy

import numpy as np
import pytest

from tinynet import Tensor, grad, nn
from tinynet import functional as F
from tinynet.nn.parameter import flatten, runs


def backward(model, features=3):
    model(np.ones((2, features), model.stem.weight.dtype)).sum().backward()


def network():
    return nn.Sequential({"stem": nn.Linear(3, 5), "middle": nn.Linear(5, 4), "head": nn.Linear(4, 2)})


def test_moving_home_keeps_values_and_gradients():
    model = network()
    backward(model)
    values = [p.numpy().copy() for p in model.parameters()]
    gradients = [p.grad.numpy().copy() for p in model.parameters()]
    flatten(model.parameters())
    for parameter, value, gradient in zip(model.parameters(), values, gradients, strict=True):
        assert parameter.is_at_home
        np.testing.assert_array_equal(parameter.numpy(), value)
        np.testing.assert_array_equal(parameter.grad.numpy(), gradient)


def test_parameters_are_aligned_contiguous_views_of_one_array():
    model = network()
    flatten(model.parameters())
    buffers = {id(p.buffer): p.buffer for p in model.parameters()}
    assert len(buffers) == 1
    (buffer,) = buffers.values()
    for parameter in model.parameters():
        assert np.shares_memory(parameter.data, buffer.data)
        assert parameter.data.flags.c_contiguous
        assert parameter.data.ctypes.data % 64 == 0


def test_one_run_covers_a_whole_model():
    model = network()
    flatten(model.parameters())
    backward(model)
    (run,) = runs(list(model.parameters()))
    assert run.parameters == list(model.parameters())
    assert run.data.shape == run.gradient.shape == (run.stop - run.start,)
    run.data[:] -= run.gradient
    assert model.head.bias.data.tolist() == [-2, -2]


def test_runs_leave_out_parameters_without_gradient():
    model = network()
    model.middle.freeze()
    flatten(model.parameters())
    backward(model)
    parts = runs(list(model.parameters()))
    assert [part.parameters for part in parts] == [
        [model.stem.weight, model.stem.bias],
        [model.head.weight, model.head.bias],
    ]
    assert all(part.buffer is model.stem.weight.buffer for part in parts)


def test_gradients_accumulate_in_the_buffer():
    model = network()
    flatten(model.parameters())
    backward(model)
    weight = model.stem.weight
    once = weight.grad.numpy().copy()
    assert np.shares_memory(weight.grad.data, weight.buffer.gradient)
    backward(model)
    np.testing.assert_allclose(weight.grad.numpy(), 2 * once, rtol=1e-6)
    model.zero_grad()
    backward(model)
    np.testing.assert_array_equal(weight.grad.numpy(), once)


def test_gaps_stay_zero():
    model = network()
    flatten(model.parameters())
    backward(model)
    inside = np.zeros(model.stem.weight.buffer.data.shape, bool)
    for parameter in model.parameters():
        inside[parameter.start : parameter.start + parameter.size] = True
    assert not model.stem.weight.buffer.data[~inside].any()
    assert not model.stem.weight.buffer.gradient[~inside].any()


def test_loading_keeps_the_home():
    model, other = network(), network()
    flatten(model.parameters())
    buffer = model.stem.weight.buffer
    model.load_state_dict(other.state_dict())
    assert all(p.is_at_home and p.buffer is buffer for p in model.parameters())
    np.testing.assert_array_equal(model.stem.weight.numpy(), other.stem.weight.numpy())


def test_conversion_keeps_the_buffer_object():
    model = network()
    flatten(model.parameters())
    buffer = model.stem.weight.buffer
    values = [p.numpy().copy() for p in model.parameters()]
    model.to("float64")
    assert buffer.data.dtype == np.float64
    for parameter, value in zip(model.parameters(), values, strict=True):
        assert parameter.buffer is buffer
        assert parameter.is_at_home
        np.testing.assert_array_equal(parameter.numpy(), value)


def test_one_buffer_for_each_dtype():
    parameters = [nn.Parameter(np.ones(3, dtype)) for dtype in ("float32", "float64", "float32")]
    flatten(parameters)
    assert parameters[0].buffer is parameters[2].buffer
    assert parameters[0].buffer is not parameters[1].buffer


def test_a_gradient_from_elsewhere_is_brought_home():
    parameter = nn.Parameter(np.ones(3, np.float32))
    flatten([parameter])
    from tinynet import Tensor

    parameter.grad = Tensor(np.array([1, 2, 3], np.float32))
    (run,) = runs([parameter])
    assert run.gradient[:3].tolist() == [1, 2, 3]


def test_replaced_data_finds_a_new_home():
    parameter = nn.Parameter(np.ones(3, np.float32))
    flatten([parameter])
    first = parameter.buffer
    parameter.data = np.full(3, 7, np.float32)
    assert not parameter.is_at_home
    flatten([parameter])
    assert parameter.buffer is not first
    assert parameter.data.tolist() == [7, 7, 7]


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)])
def test_small_and_empty_parameters(shape):
    parameters = [nn.Parameter(np.ones(shape, np.float32)), nn.Parameter(np.ones(4, np.float32))]
    flatten(parameters)
    assert parameters[0].shape == shape
    assert parameters[1].data.tolist() == [1, 1, 1, 1]


@pytest.fixture(params=["linear", "convolution"])
def layer(request):
    """A layer whose parameters are at home, and an input for it."""
    made = nn.Linear(40, 30) if request.param == "linear" else nn.Conv2d(4, 6, 3)
    shape = (50, 40) if request.param == "linear" else (2, 8, 8, 4)
    flatten(made.parameters())
    return made, Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def written_at_home(layer, run):
    """Whether the operation itself wrote the gradient of the weight into the buffer while `run` ran."""
    weight, arrays = layer.weight, []
    accumulate = type(weight).accumulate_gradient

    def watch(parameter, gradient, *arguments):
        if parameter is weight:
            arrays.append(np.shares_memory(gradient, weight.buffer.gradient))
        accumulate(parameter, gradient, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(weight), "accumulate_gradient", watch)
        run()
    return arrays


def gradient_of(layer, x, times=1):
    """The gradient of the weight for the sum of the outputs, from a copy that has no buffer."""
    twin = copy.deepcopy(layer)
    twin.zero_grad()
    for _ in range(times):
        twin(x).sum().backward()
    return twin.weight.grad.numpy()


def test_the_first_gradient_is_written_into_the_buffer_and_later_ones_are_added(layer):
    layer, x = layer
    first = written_at_home(layer, lambda: layer(x).sum().backward())
    second = written_at_home(layer, lambda: layer(x).sum().backward())
    assert (first, second) == ([True], [False])
    np.testing.assert_array_equal(layer.weight.grad.numpy(), gradient_of(layer, x, times=2))


def test_a_layer_used_twice_adds_up_its_gradients():
    layer = nn.Linear(20, 20)
    flatten(layer.parameters())
    x = Tensor(np.random.default_rng(0).standard_normal((30, 20)).astype(np.float32))
    assert written_at_home(layer, lambda: layer(layer(x)).sum().backward()) == [True, False]
    twin = nn.Linear(20, 20)
    twin.load_state_dict(layer.state_dict())
    twin(twin(x)).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.numpy(), twin.weight.grad.numpy())


def test_a_gradient_that_somebody_still_has_is_not_written_over_while_it_is_read(layer):
    layer, x = layer
    layer(x).sum().backward()
    old = layer.weight.grad
    layer.zero_grad()
    assert written_at_home(layer, lambda: layer(x).sum().backward()) == [False]
    assert old is not layer.weight.grad


def test_grad_leaves_the_buffer_alone(layer):
    layer, x = layer
    layer(x).sum().backward()
    expected = layer.weight.buffer.gradient.copy()
    layer.zero_grad()
    found = grad(layer(x * 2.0).sum(), layer.weight)
    assert layer.weight.grad is None
    assert not np.shares_memory(found.data, layer.weight.buffer.gradient)
    np.testing.assert_array_equal(layer.weight.buffer.gradient, expected)


def test_a_hook_sees_the_gradient_before_it_is_in_the_buffer(layer):
    layer, x = layer
    layer.weight.register_hook(lambda gradient: gradient * 2.0)
    assert written_at_home(layer, lambda: layer(x).sum().backward()) == [False]
    np.testing.assert_array_equal(layer.weight.grad.numpy(), 2 * gradient_of(layer, x))


def test_a_weight_that_is_also_the_input_gets_both_gradients(rng):
    weight = nn.Parameter(rng.standard_normal((12, 12)))
    flatten([weight])
    F.linear(weight, weight).sum().backward()
    w = weight.numpy()
    ones = np.ones((12, 12))
    np.testing.assert_allclose(weight.grad.numpy(), ones @ w.T + w.T @ ones, rtol=1e-12)


def test_a_gradient_of_another_dtype_is_converted_on_its_way_home(layer):
    layer, x = layer
    factor = Tensor(np.full(layer(x).shape, 3.0))
    (layer(x) * factor).sum().backward()
    assert layer.weight.grad.dtype == np.float32
    np.testing.assert_allclose(layer.weight.grad.numpy(), 3 * gradient_of(layer, x), rtol=1e-4, atol=1e-4)
