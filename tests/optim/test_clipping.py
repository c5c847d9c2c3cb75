"""Gradient clipping by norm and by value."""

import math

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import AnomalyError, ArgumentError
from tinynet.nn.parameter import Parameter
from tinynet.optim import clip_grad_norm, clip_grad_value

SHAPES = [(4, 3), (5,), (2, 2)]


def with_gradients(gradients):
    """Two parameters, a leaf that is none, and a parameter without a gradient."""
    kinds = (Parameter, Parameter, tn.Tensor)
    tensors = [kind(np.zeros_like(g), requires_grad=True) for kind, g in zip(kinds, gradients, strict=True)]
    for tensor, gradient in zip(tensors, gradients, strict=True):
        tensor.accumulate_gradient(gradient)
    return [*tensors, Parameter(np.zeros(3))]


@pytest.mark.parametrize("max_norm", [0.5, 3.0, 1e6])
@pytest.mark.parametrize("norm_type", [1, 2.0, 3.5, math.inf])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_norm_clipping_is_that_of_pytorch(rng, norm_type, max_norm, dtype, tolerance):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    gradients = [rng.normal(size=shape).astype(dtype) for shape in SHAPES]
    ours = with_gradients(gradients)
    theirs = [torch.zeros(shape, dtype=torch.from_numpy(gradients[0]).dtype) for shape in SHAPES]
    for tensor, gradient in zip(theirs, gradients, strict=True):
        tensor.grad = torch.from_numpy(gradient.copy())
    norm = clip_grad_norm(ours, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert type(norm) is float
    np.testing.assert_allclose(norm, expected.item(), rtol=tolerance)
    for found, wanted in zip(ours[:3], theirs, strict=True):
        np.testing.assert_allclose(found.grad.data, wanted.grad.numpy(), rtol=tolerance)
        assert found.grad.dtype == dtype
    assert ours[3].grad is None


def test_value_clipping(rng):
    gradients = [rng.normal(size=shape) for shape in SHAPES]
    tensors = with_gradients(gradients)
    clip_grad_value(tensors, 0.7)
    for tensor, gradient in zip(tensors[:3], gradients, strict=True):
        np.testing.assert_array_equal(tensor.grad.data, np.clip(gradient, -0.7, 0.7))


def test_a_single_tensor_is_taken():
    tensor = with_gradients([np.full(shape, 2.0) for shape in SHAPES])[1]
    assert clip_grad_norm(tensor, 1.0) == pytest.approx(math.sqrt(20))
    assert np.linalg.norm(tensor.grad.data) == pytest.approx(1.0, rel=1e-5)


def test_without_gradients_the_norm_is_zero():
    assert clip_grad_norm([Parameter(np.ones(3))], 1.0) == 0.0
    assert clip_grad_norm([], 1.0, math.inf) == 0.0


@pytest.mark.parametrize("norm_type", [1, 2, 3])
def test_large_float32_gradients_do_not_overflow_the_norm(norm_type):
    tensors = with_gradients([np.full(shape, 2e30, np.float32) for shape in SHAPES])
    norm = clip_grad_norm(tensors, 1.0, norm_type)
    assert norm == pytest.approx(2e30 * 21 ** (1 / norm_type), rel=1e-5)
    clipped = np.concatenate([tensor.grad.data.ravel() for tensor in tensors[:3]])
    assert np.linalg.norm(clipped, norm_type) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("norm_type", [2, math.inf])
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_norm_that_is_not_finite_spreads_or_raises(value, norm_type):
    gradients = [np.ones(shape) for shape in SHAPES]
    gradients[1][2] = value
    tensors = with_gradients(gradients)
    with pytest.raises(AnomalyError, match=f"clip_grad_norm: the norm of the gradients is {value}"):
        clip_grad_norm(tensors, 1.0, norm_type, error_if_nonfinite=True)
    for tensor, gradient in zip(tensors[:3], gradients, strict=True):
        np.testing.assert_array_equal(tensor.grad.data, gradient)
    norm = clip_grad_norm(tensors, 1.0, norm_type)
    assert math.isinf(norm) if math.isinf(value) else math.isnan(norm)
    assert np.isnan(tensors[1].grad.data[2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clip_grad_norm([], -1.0), "clip_grad_norm: max_norm must be at least 0, not -1.0"),
        (lambda: clip_grad_norm([], math.nan), "clip_grad_norm: max_norm must be at least 0, not nan"),
        (lambda: clip_grad_norm([], 1.0, 0), "clip_grad_norm: norm_type must be above 0, not 0"),
        (lambda: clip_grad_value([], -1.0), "clip_grad_value: clip_value must be at least 0, not -1.0"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clipping_on_a_gpu_needs_no_look_at_the_norm(norm_type, max_norm, watched, cuda, rng):
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 4), (5,), (0,))]
    on_cpu, on_gpu = ([tn.tensor(a, requires_grad=True) for a in arrays] for _ in range(2))
    on_gpu = [tn.tensor(tensor.data, device=cuda, requires_grad=True) for tensor in on_gpu]
    for tensors in (on_cpu, on_gpu):
        for tensor in tensors:
            (tensor * tensor).sum().backward()
    expected = clip_grad_norm(on_cpu, max_norm, norm_type)
    clip_grad_norm(on_gpu, 1e9, norm_type)  # compiles kernels, and changes nothing
    with watched() as waits:
        found = clip_grad_norm(on_gpu, max_norm, norm_type)
    assert waits == []
    assert float(found) == pytest.approx(expected, rel=1e-6)
    for one, other in zip(on_gpu, on_cpu, strict=True):
        np.testing.assert_allclose(one.grad.numpy(), other.grad.numpy(), rtol=2e-6)


def test_norms_that_are_not_finite_on_a_gpu(cuda):
    parameter = tn.tensor([1.0, 2.0], device=cuda, requires_grad=True)
    (parameter * tn.tensor([1e30, 1e30], device=cuda)).sum().backward()
    assert float(clip_grad_norm([parameter], 1.0)) == pytest.approx(math.sqrt(2) * 1e30)
    np.testing.assert_allclose(parameter.grad.numpy(), [math.sqrt(0.5)] * 2, rtol=1e-6)
    parameter.grad = None
    (parameter * tn.tensor([math.nan, 1.0], device=cuda)).sum().backward()
    with pytest.raises(AnomalyError, match="the norm of the gradients is nan"):
        clip_grad_norm([parameter], 1.0, error_if_nonfinite=True)
    assert parameter.grad.numpy()[1] == 1
    assert math.isnan(clip_grad_norm([parameter], 1.0))
    assert np.isnan(parameter.grad.numpy()).all()
