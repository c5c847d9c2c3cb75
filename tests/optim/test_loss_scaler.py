"""Loss scaling: exact for finite gradients, steps that overflow are left out, the factor adapts."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.errors import AnomalyError, ArgumentError, CheckpointError
from tinynet.nn.parameter import Parameter

OPTIMIZERS = {
    "sgd": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adam": lambda parameters: optim.Adam(parameters, lr=0.1, weight_decay=0.01),
    "rmsprop": lambda parameters: optim.RMSprop(parameters, lr=0.1),
}


def parameters():
    """Two parameters and a leaf that is none."""
    rng = np.random.default_rng(3)
    kinds = (Parameter, Parameter, tn.Tensor)
    return [
        kind(rng.normal(size=shape).astype(np.float32), requires_grad=True)
        for kind, shape in zip(kinds, [(3, 2), (4,), (2, 2)], strict=True)
    ]


def loss_of(tensors, factor=1.0):
    return sum([(tensor * tensor * factor).sum() for tensor in tensors])


def snapshot(tensors, optimizer):
    state = optimizer.state_dict()
    return (
        [tensor.data.tobytes() for tensor in tensors],
        state["steps"],
        [(name, array.tobytes()) for name, array in state["arrays"].items()],
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_without_scaling(name):
    ours, plain = parameters(), parameters()
    optimizer, other = OPTIMIZERS[name](ours), OPTIMIZERS[name](plain)
    scaler = optim.LossScaler(2.0**10, growth_interval=2)
    for _ in range(5):
        optimizer.zero_grad()
        scaler.backward(loss_of(ours))
        assert scaler.unscale(optimizer)
        optimizer.step()
        other.zero_grad()
        loss_of(plain).backward()
        other.step()
    assert snapshot(ours, optimizer) == snapshot(plain, other)  # powers of 2 change no digits
    assert (scaler.scale, scaler.good_steps) == (2.0**12, 1)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_step_that_overflows_leaves_no_trace(name, bad):
    tensors = parameters()
    optimizer = OPTIMIZERS[name](tensors)
    scaler = optim.LossScaler(2.0**10)

    def step(damage=None):
        optimizer.zero_grad()
        scaler.backward(loss_of(tensors))
        if damage is not None:
            tensors[damage].grad.data.flat[1] = bad
        if scaler.unscale(optimizer):
            optimizer.step()

    step()
    before = snapshot(tensors, optimizer)
    for damaged, scale in enumerate([2.0**9, 2.0**8, 2.0**7]):
        step(damaged)
        assert snapshot(tensors, optimizer) == before
        assert (scaler.scale, scaler.good_steps) == (scale, 0)
    step()
    assert snapshot(tensors, optimizer) != before
    assert scaler.good_steps == 1


def test_gradients_of_float16_that_overflow_are_found_and_soon_fit():
    # Each number of the gradient by the hidden layer is 40 times the factor; 65504 is the largest in float16.
    first, second = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    for layer, value in ((first, 1.0), (second, 40.0)):
        with tn.no_grad():
            layer.weight.copy_(tn.Tensor(np.full((1, 1), value, np.float32)))
    optimizer = optim.SGD([first.weight, second.weight], lr=1e-3)
    scaler = optim.LossScaler(2.0**13)
    taken = []
    for _ in range(5):
        before = first.weight.data.copy()
        with tn.autocast("float16"):
            loss = second(first(tn.Tensor(np.ones((1, 1), np.float32)))).sum()
        optimizer.zero_grad()
        scaler.backward(loss)
        taken.append(scaler.unscale(optimizer))
        if taken[-1]:
            optimizer.step()
        assert (first.weight.data != before).all() == taken[-1]
    assert taken == [False, False, False, True, True]
    assert scaler.scale == 2.0**10


def test_small_gradients_survive_in_float16():
    def gradient(scaler):
        layer = nn.Linear(2, 1, bias=False)
        optimizer = optim.SGD([layer.weight], lr=1.0)
        with tn.autocast("float16"):
            loss = F.mean(layer(tn.Tensor(np.ones((1, 2), np.float32)))) * 1e-8
        scaler.backward(loss)
        assert scaler.unscale(optimizer)
        return layer.weight.grad.data

    np.testing.assert_array_equal(gradient(optim.LossScaler(1.0)), 0)
    np.testing.assert_allclose(gradient(optim.LossScaler(2.0**16)), 1e-8, rtol=2.0**-11)


def test_a_loss_in_float16_is_multiplied_in_float32():
    x = tn.Tensor(np.array([40.0], np.float16), requires_grad=True)
    optimizer = optim.SGD([x], lr=0.5)
    scaler = optim.LossScaler(2.0**12)
    scaler.backward((x * 3.0).reshape(()))  # 120 · 4096 is too much for float16, the gradient 3 · 4096 isn't
    assert scaler.unscale(optimizer)
    np.testing.assert_array_equal(x.grad.data, 3)


def test_clipping_sees_the_true_gradients():
    tensors = parameters()
    optimizer = optim.SGD(tensors, lr=1.0)
    loss_of(tensors).backward()
    expected = optim.clip_grad_norm(tensors, 1e9)
    optimizer.zero_grad()
    scaler = optim.LossScaler()
    scaler.backward(loss_of(tensors))
    assert scaler.unscale(optimizer)
    assert optim.clip_grad_norm(tensors, 0.5) == expected
    assert optim.clip_grad_norm(tensors, 0.5) == pytest.approx(0.5, rel=1e-5)


def test_the_factor_has_bounds():
    tensors = parameters()
    optimizer = optim.SGD(tensors, lr=1e-3)
    scaler = optim.LossScaler(2.0**23, growth_interval=1)
    for _ in range(3):
        optimizer.zero_grad()
        scaler.backward(loss_of(tensors))
        assert scaler.unscale(optimizer)
    assert scaler.scale == 2.0**24
    for tensor in tensors:
        tensor.grad.data[...] = np.nan
    scaler = optim.LossScaler(2.0**-23)
    assert not scaler.unscale(optimizer)
    with pytest.raises(AnomalyError, match=r"multiplied by only 5\.96\S*e-08; find the operation"):
        scaler.unscale(optimizer)


def test_nothing_to_unscale():
    assert optim.LossScaler().unscale(optim.SGD(parameters(), lr=0.1))


def test_state():
    scaler = optim.LossScaler()
    scaler.load_state_dict({"scale": 4.0, "good_steps": 7})
    assert scaler.state_dict() == {"scale": 4.0, "good_steps": 7}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"scale": 4.0}, "should hold scale, good_steps"),
        (None, "should hold scale, good_steps"),
        ({"scale": 0.0, "good_steps": 1}, r"scale should be from 2\*\*-24 to 2\*\*24, not 0.0"),
        ({"scale": float("nan"), "good_steps": 1}, "scale should be from"),
        ({"scale": "4", "good_steps": 1}, "scale should be from"),
        ({"scale": 4.0, "good_steps": -1}, "good_steps should be a number of steps, not -1"),
    ],
)
def test_states_that_are_none(state, message):
    scaler = optim.LossScaler(8.0)
    with pytest.raises(CheckpointError, match=message):
        scaler.load_state_dict(state)
    assert scaler.state_dict() == {"scale": 8.0, "good_steps": 0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 0.0}, "LossScaler: scale must be a number above 0, not 0.0"),
        ({"scale": 2.0**30}, r"LossScaler: scale must lie from 2\*\*-24 to 2\*\*24, not be 1073741824.0"),
        ({"growth_interval": 0}, "LossScaler: growth_interval must be an integer of at least 1, not 0"),
    ],
)
def test_impossible_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        optim.LossScaler(**arguments)
