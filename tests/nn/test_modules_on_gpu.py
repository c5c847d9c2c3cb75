"""Layers on a GPU give what they give on the CPU, and modules get there and back in one piece."""

import copy
import pickle

import numpy as np
import pytest
from test_layer_gradients import LAYERS, small_network

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim


def outcome(layer, x):
    """Output, gradient of the input, gradients of the parameters, and buffers, as arrays."""
    y = layer(x)
    (y * y).sum().backward()
    tensors = [y.detach(), x.grad, *(p.grad for p in layer.parameters()), *layer.buffers()]
    return [tensor.numpy() for tensor in tensors]


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_gives_the_same_on_a_gpu(name, cuda, rng):
    make, shape = LAYERS[name]
    layer = make()
    twin = copy.deepcopy(layer).to(cuda)
    x = rng.normal(0, 1, shape).astype(np.float32)
    expected = outcome(layer, tn.tensor(x, requires_grad=True))
    found = outcome(twin, tn.tensor(x, device=cuda, requires_grad=True))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * max(1.0, abs(other).max()))


def train(model, optimizer, steps, rng):
    device = next(model.parameters()).device
    for _ in range(steps):
        x, y = rng.normal(0, 1, (3, 4, 4, 2)), rng.integers(2, size=3)
        loss = F.cross_entropy(model(tn.tensor(x, device=device)), tn.tensor(y, device=device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def numbers(model):
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def assert_close(found, expected):
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_training_moves_between_devices(cuda):
    """The optimiser's state goes where the parameters go."""
    plain, moving = small_network(), small_network()
    rngs = [np.random.default_rng(8) for _ in range(2)]
    optimizers = [optim.SGD(model.parameters(), lr=0.1, momentum=0.9) for model in (plain, moving)]
    for device in ("cpu", "cuda", "cpu", "cuda"):
        moving.to(device)
        train(plain, optimizers[0], 2, rngs[0])
        train(moving, optimizers[1], 2, rngs[1])
        assert {parameter.device for parameter in moving.parameters()} == {tn.device(device)}
    assert_close(numbers(moving), numbers(plain))
    state = optimizers[1].state_dict()
    assert all(isinstance(array, np.ndarray) for array in state["arrays"].values())
    optimizers[1].load_state_dict(state)
    train(plain, optimizers[0], 1, rngs[0])
    train(moving, optimizers[1], 1, rngs[1])
    assert_close(numbers(moving), numbers(plain))


def test_weights_are_saved_loaded_copied_and_pickled(cuda, tmp_path):
    model = small_network().to(cuda)
    model.save(tmp_path / "weights.safetensors")
    others = [small_network(), small_network().to(cuda), copy.deepcopy(model)]
    others.append(pickle.loads(pickle.dumps(model)))
    for other in others[:2]:
        for parameter in other.parameters():
            nn.init.constant(parameter, 0.5)
    others[0].load(tmp_path / "weights.safetensors")
    others[1].load_state_dict(model.state_dict())
    others.append(small_network())
    others[-1].load_state_dict(numbers(model))
    for other in others:
        for name, array in numbers(model).items():
            np.testing.assert_array_equal(numbers(other)[name], array, err_msg=name)
    assert others[2][0].weight.device == cuda


def test_tools_work_on_a_gpu(cuda, rng):
    """What looks at models and gradients from outside."""
    model = small_network().to(cuda)
    assert model.summary((4, 4, 2)).total_parameters == 77
    assert model.fusion_plan((4, 4, 2)) is not None
    x = tn.tensor(rng.normal(size=(3, 4, 4, 2)), device=cuda, requires_grad=True)
    assert tn.gradcheck(lambda x: model(x), [x])
    with tn.detect_anomaly():
        model(x).sum().backward()
    assert repr(x.grad).startswith("tensor(")
    y = tn.tensor([1, 0], device=cuda)
    assert [int(one) for one in y] == [1, 0]
    assert f"{y[0].item()}" == "1"


@pytest.mark.parametrize("name", sorted({*nn.init.__all__} - {"constant", "fans", "skipped"}))
def test_initialisers_fill_parameters_on_a_gpu(name, cuda):
    parameter = nn.Parameter(tn.tensor(np.full((8, 8), np.nan, np.float32), device=cuda))
    source = {} if name in ("ones", "zeros") else {"generator": tn.Generator(0)}
    getattr(nn.init, name)(parameter, **source)
    assert parameter.device == cuda
    assert np.isfinite(parameter.numpy()).all()
