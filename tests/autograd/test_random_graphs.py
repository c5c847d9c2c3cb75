"""Random graphs: first and second derivatives, checkpoints and retained graphs agree with each other."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import Tensor, checkpoint, grad

LEAVES = 3
STEPS = 25


def build(leaves, seed, section=lambda function, *inputs: function(*inputs)):
    """A random program over the leaves: each step combines values made before, some of them often."""
    rng = np.random.default_rng(seed)
    values = list(leaves)
    for _ in range(STEPS):
        choice = rng.integers(6)
        x, y = (values[-1 - int(rng.integers(min(len(values), 6)))] for _ in range(2))
        scale = float(rng.uniform(0.3, 0.7))
        if choice == 0:
            values.append(x + y * scale)
        elif choice == 1:
            values.append(section(lambda x, y: x * y / (x * x + y * y + 1.0), x, y))
        elif choice == 2:
            values.append(x - y)
        elif choice == 3:
            values.append(section(lambda x, s=scale: (x * x + 1.0) / (x * x + 2.0) * s, x))
        elif choice == 4:
            values.append((x * 1.0)[:, :1] * y)
        else:
            values.append(section(lambda x, y: -(x + y) * 0.5, x, y))
    return values[-1] + values[-2] * values[-3]


@pytest.fixture(params=range(12))
def seed(request):
    return request.param


@pytest.fixture
def arrays(seed):
    rng = np.random.default_rng([seed, 1])
    return [rng.normal(size=(2, 3)) for _ in range(LEAVES)]


def leaves_of(arrays):
    return [Tensor(array, requires_grad=True) for array in arrays]


def derivatives(leaves, output):
    """First derivatives by all leaves, and the second along them."""
    first = grad(output, leaves, np.ones(output.shape), create_graph=True, allow_unused=True)
    used = [g * g for g in first if g is not None and g.requires_grad]
    second = grad(used, leaves, [np.ones(g.shape) for g in used], allow_unused=True) if used else []
    return [None if g is None else g.data for g in (*first, *second)]


def assert_same(found, expected, tolerance):
    assert [g is None for g in found] == [g is None for g in expected]
    for one, other in zip(found, expected, strict=True):
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def test_pytorch_agrees(arrays, seed):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    leaves = leaves_of(arrays)
    found = derivatives(leaves, build(leaves, seed))
    twins = [torch.tensor(array, requires_grad=True) for array in arrays]
    output = build(twins, seed)
    first = torch.autograd.grad(output, twins, torch.ones_like(output), create_graph=True, allow_unused=True)
    used = [g * g for g in first if g is not None and g.requires_grad]
    second = torch.autograd.grad(used, twins, list(map(torch.ones_like, used)), allow_unused=True)
    expected = [None if g is None else g.detach().numpy() for g in (*first, *second)]
    assert_same(found, expected, 1e-11)


def test_finite_differences_agree(arrays, seed):
    assert tn.gradcheck(lambda *leaves: build(leaves, seed), arrays, directions=1, order=2)


def test_backward_and_grad_agree(arrays, seed):
    leaves = leaves_of(arrays)
    output = build(leaves, seed)
    by_grad = grad(output, leaves, np.ones(output.shape), retain_graph=True, allow_unused=True)
    output.backward(np.ones(output.shape), retain_graph=True)
    output.backward(np.ones(output.shape))
    for leaf, gradient in zip(leaves, by_grad, strict=True):
        assert (leaf.grad is None) == (gradient is None)
        if gradient is not None:
            np.testing.assert_allclose(leaf.grad.data, 2 * gradient.data, rtol=1e-12, atol=1e-14)


def test_checkpoints_agree(arrays, seed):
    plain, sectioned = leaves_of(arrays), leaves_of(arrays)
    expected = derivatives(plain, build(plain, seed))
    assert_same(derivatives(sectioned, build(sectioned, seed, checkpoint)), expected, 1e-11)
