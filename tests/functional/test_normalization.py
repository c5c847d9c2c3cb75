"""Normalisation: running statistics, messages, precision."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet.autograd import versions
from tinynet.errors import ArgumentError, DTypeError, ShapeError


def message_of(error, function, *arguments, **options):
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    return str(caught.value)


def statistics(channels, dtype=np.float64):
    return tn.Tensor(np.zeros(channels, dtype)), tn.Tensor(np.ones(channels, dtype))


def test_running_statistics_by_hand(rng):
    mean, variance = statistics(3)
    expected_mean, expected_variance = np.zeros(3), np.ones(3)
    for _ in range(4):
        x = rng.normal(2.0, 3.0, size=(5, 2, 2, 3))
        F.batch_norm(x, None, None, mean, variance, momentum=0.3)
        expected_mean = 0.7 * expected_mean + 0.3 * x.mean(axis=(0, 1, 2))
        expected_variance = 0.7 * expected_variance + 0.3 * x.var(axis=(0, 1, 2), ddof=1)
    np.testing.assert_allclose(mean.numpy(), expected_mean, rtol=1e-12)
    np.testing.assert_allclose(variance.numpy(), expected_variance, rtol=1e-12)


@pytest.mark.parametrize("momentum", [0.1, 0.9, 1.0])
def test_running_statistics_follow_pytorch(rng, momentum):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    mean, variance = statistics(3)
    twins = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    for _ in range(3):
        x = rng.normal(size=(4, 5, 3))
        F.batch_norm(x, None, None, mean, variance, momentum=momentum)
        twin = torch.tensor(x).movedim(-1, 1)
        torch.nn.functional.batch_norm(twin, *twins, training=True, momentum=momentum)
    np.testing.assert_allclose(mean.numpy(), twins[0].numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(variance.numpy(), twins[1].numpy(), rtol=0, atol=1e-12)


def test_inference_leaves_running_statistics_alone(rng):
    mean, variance = statistics(3)
    F.batch_norm(rng.normal(size=(4, 3)), None, None, mean, variance, training=False)
    assert mean.tolist() == [0, 0, 0]
    assert variance.tolist() == [1, 1, 1]


def test_inference_is_the_same_with_and_without_a_graph(rng):
    x = rng.normal(1000.0, 1.0, size=(6, 3)).astype(np.float32)
    mean, variance = tn.tensor(x.mean(axis=0)), tn.tensor(x.var(axis=0))
    plain = F.batch_norm(x, None, None, mean, variance, training=False)
    recorded = F.batch_norm(tn.Tensor(x, requires_grad=True), None, None, mean, variance, training=False)
    assert not plain.requires_grad
    assert recorded.requires_grad
    np.testing.assert_allclose(recorded.numpy(), plain.numpy(), atol=1e-5)


def test_a_checkpointed_section_updates_once(rng):
    x = tn.Tensor(rng.normal(size=(4, 3)), requires_grad=True)
    expected, found = statistics(3), statistics(3)
    F.batch_norm(x, None, None, *expected)
    y = tn.checkpoint(lambda x: F.batch_norm(x, None, None, *found), x)
    (y**2).sum().backward()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_updates_tell_the_version_counters(rng):
    buffers = statistics(3)
    before = versions.tick()
    F.batch_norm(rng.normal(size=(4, 3)), None, None, *buffers)
    assert all(versions.changed_since(buffer.data, before) for buffer in buffers)


@pytest.mark.parametrize("wanted", [{0}, {1}, {2}, {1, 2}])
@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_of_some_inputs_only(rng, wanted, create_graph):
    arrays = [rng.normal(size=shape) for shape in ((5, 3), (3,), (3,))]

    def gradients(indices):
        tensors = [tn.tensor(a, requires_grad=i in indices) for i, a in enumerate(arrays)]
        loss = (F.batch_norm(*tensors) ** 3).sum()
        return tn.grad(loss, [tensors[i] for i in sorted(indices)], create_graph=create_graph)

    everything = gradients({0, 1, 2})
    for index, gradient in zip(sorted(wanted), gradients(wanted), strict=True):
        np.testing.assert_allclose(gradient.numpy(), everything[index].numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("wanted", [{0}, {1}, {2}, {1, 2}, {0, 2}])
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_gradients_of_layer_norm_by_some_inputs_only(rng, axes, wanted, create_graph):
    x = rng.normal(size=(4, 2, 3))
    arrays = [x, *rng.normal(size=(2, *x.shape[3 - axes :]))]

    def gradients(indices):
        x, gamma, beta = [tn.tensor(a, requires_grad=i in indices) for i, a in enumerate(arrays)]
        loss = (F.layer_norm(x, axes, gamma, beta) ** 3).sum()
        wanted = [(x, gamma, beta)[i] for i in sorted(indices)]
        return tn.grad(loss, wanted, create_graph=create_graph)

    everything = gradients({0, 1, 2})
    for index, gradient in zip(sorted(wanted), gradients(wanted), strict=True):
        np.testing.assert_allclose(gradient.numpy(), everything[index].numpy(), rtol=1e-9, atol=1e-12)


def test_layer_norm_does_not_wait_for_the_gpu(watched, cuda, rng):
    x, gamma, beta = (
        tn.tensor(rng.normal(size=shape), device=cuda, requires_grad=True) for shape in ((4, 6, 5), 5, 5)
    )
    F.layer_norm(x, 1, gamma, beta).sum().backward()  # compiles the kernels
    with watched() as waits:
        F.layer_norm(x, 1, gamma, beta).sum().backward()
    assert waits == []
    np.testing.assert_allclose(beta.grad.numpy(), 48)


@pytest.mark.parametrize("given", ["gamma", "beta"])
def test_layer_norm_with_one_of_gamma_and_beta(rng, given):
    x, values = rng.normal(size=(4, 3)), rng.normal(size=3)
    y = F.layer_norm(x, **{given: values}).numpy()
    plain = F.layer_norm(x).numpy()
    np.testing.assert_allclose(y, plain * values if given == "gamma" else plain + values, rtol=0, atol=1e-12)


def test_messages_of_batch_norm():
    x = np.ones((4, 3))
    assert message_of(ShapeError, F.batch_norm, x, np.ones(2)) == (
        "batch_norm: x has 3 channels (shape (4, 3)) but gamma has shape (2,)"
    )
    assert message_of(DTypeError, F.batch_norm, x, np.ones(3, np.float32)) == (
        "batch_norm: x is float64 but gamma is float32"
    )
    assert message_of(ShapeError, F.batch_norm, np.ones((1, 1, 3))) == (
        "batch_norm: x (shape (1, 1, 3)) has one number per channel; training needs at least two to estimate "
        "the variance"
    )
    assert message_of(ArgumentError, F.batch_norm, x, training=False) == (
        "batch_norm: inference needs running_mean and running_variance"
    )
    assert message_of(ArgumentError, F.batch_norm, x, None, None, np.ones(3)) == (
        "batch_norm: give both running_mean and running_variance, or neither"
    )


def test_messages_of_the_others():
    x = np.ones((4, 2, 3))
    assert message_of(ShapeError, F.layer_norm, x, 1, np.ones(2)) == (
        "layer_norm: gamma has shape (2,) but x (shape (4, 2, 3)) expects (3,)"
    )
    assert message_of(ArgumentError, F.layer_norm, x, 4) == (
        "layer_norm: axes must be from 1 to 3 for x of shape (4, 2, 3), not 4"
    )
    assert message_of(DTypeError, F.instance_norm, x, None, np.ones(3, np.float32)) == (
        "instance_norm: x is float64 but beta is float32"
    )
    assert message_of(ShapeError, F.instance_norm, np.ones((4, 3))) == (
        "instance_norm: x must be (N, *spatial, C), but has shape (4, 3)"
    )
    assert message_of(ShapeError, F.group_norm, x, 2) == (
        "group_norm: groups = 2 must divide the channels of x (shape (4, 2, 3))"
    )


@pytest.mark.parametrize(
    "function", [F.batch_norm, F.layer_norm, F.instance_norm, lambda x: F.group_norm(x, 2)]
)
def test_large_means_do_not_spoil_single_precision(rng, function):
    x = (1000 + rng.normal(size=(8, 6, 6, 8))).astype(np.float32)
    found = function(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.numpy(), function(x.astype(np.float64)).numpy(), atol=1e-3)


def test_documented_local_response_of_alexnet(rng):
    """With n = 5, α = 1e−4, β = 0.75, k = 2 the paper divides by the sum, not the mean, of the squares."""
    x = 10 * rng.normal(size=(1, 2, 2, 7))
    y = F.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2).numpy()
    total = np.square(x[..., 1:6]).sum(axis=-1)
    np.testing.assert_allclose(y[..., 3], x[..., 3] / (2 + 1e-4 * total) ** 0.75, rtol=1e-12)


def test_length_of_zero():
    x = tn.tensor(np.zeros((2, 3)), requires_grad=True)
    y = F.l2_normalize(x)
    y.sum().backward()
    assert not y.numpy().any()
    assert np.isfinite(x.grad.numpy()).all()


@pytest.mark.parametrize("mean", [0.0, 100.0, 1e4])
@pytest.mark.parametrize(
    "function", [F.instance_norm, lambda x: F.group_norm(x, 2), lambda x: F.layer_norm(x, 3)]
)
def test_single_precision_with_a_large_mean(rng, mean, function):
    """Statistics lose no digits beyond those that x itself has lost."""
    x = (rng.normal(size=(1, 100, 100, 4)) + mean).astype(np.float32)
    expected = function(x.astype(np.float64)).numpy()
    np.testing.assert_allclose(function(x).numpy(), expected, rtol=0, atol=1e-6 + 1e-7 * mean)
