"""Normalisation by its formulas. Updates of running statistics are tested in test_normalization.py."""

import numpy as np

from operation_table.core import Operation, normal, positive, sample, uniform
from tinynet import functional


def standardized(x, axes, epsilon):
    mean = x.mean(axis=axes, keepdims=True) if x.size else 0.0
    variance = x.var(axis=axes, keepdims=True) if x.size else 0.0
    return (x - mean) / np.sqrt(variance + epsilon)


def activated(y, activation):
    return np.clip(y, 0, {"relu": np.inf, "relu6": 6}[activation]) if activation else y


def torch_activated(torch, y, activation):
    return getattr(torch.nn.functional, activation)(y) if activation else y


def batch_norm(x, gamma=1.0, beta=0.0, epsilon=1e-5, activation=None):
    return activated(gamma * standardized(x, tuple(range(x.ndim - 1)), epsilon) + beta, activation)


def torch_batch_norm(torch, x, gamma=None, beta=None, epsilon=1e-5, activation=None):
    y = torch.nn.functional.batch_norm(x.movedim(-1, 1), None, None, gamma, beta, training=True, eps=epsilon)
    return torch_activated(torch, y.movedim(1, -1), activation)


def batch_inference(x, mean, variance, gamma=1.0, beta=0.0, epsilon=1e-5, activation=None):
    return activated(gamma * (x - mean) / np.sqrt(variance + epsilon) + beta, activation)


def torch_batch_inference(torch, x, mean, variance, gamma=None, beta=None, epsilon=1e-5, activation=None):
    if gamma is None:
        gamma, beta = torch.ones_like(mean), torch.zeros_like(mean)
    return torch_activated(torch, gamma * (x - mean) / torch.sqrt(variance + epsilon) + beta, activation)


def call_batch_inference(x, mean, variance, gamma=None, beta=None, epsilon=1e-5, activation=None):
    return functional.batch_norm(
        x, gamma, beta, mean, variance, training=False, epsilon=epsilon, activation=activation
    )


def layer_norm(x, gamma=1.0, beta=0.0, axes=1, epsilon=1e-5):
    return gamma * standardized(x, tuple(range(x.ndim - axes, x.ndim)), epsilon) + beta


def torch_layer_norm(torch, x, gamma=None, beta=None, axes=1, epsilon=1e-5):
    return torch.nn.functional.layer_norm(x, x.shape[x.ndim - axes :], gamma, beta, epsilon)


def instance_norm(x, gamma=1.0, beta=0.0, epsilon=1e-5):
    return gamma * standardized(x, tuple(range(1, x.ndim - 1)), epsilon) + beta


def torch_instance_norm(torch, x, gamma=None, beta=None, epsilon=1e-5):
    y = torch.nn.functional.instance_norm(x.movedim(-1, 1), weight=gamma, bias=beta, eps=epsilon)
    return y.movedim(1, -1)


def group_norm(x, gamma=1.0, beta=0.0, groups=1, epsilon=1e-5):
    parts = [standardized(part, tuple(range(1, x.ndim)), epsilon) for part in np.split(x, groups, axis=-1)]
    return gamma * np.concatenate(parts, axis=-1) + beta


def torch_group_norm(torch, x, gamma=None, beta=None, groups=1, epsilon=1e-5):
    y = torch.nn.functional.group_norm(x.movedim(-1, 1), groups, gamma, beta, epsilon)
    return y.movedim(1, -1)


def local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=1.0):
    y = np.zeros_like(x)
    for c in range(x.shape[-1]):
        first = c - size // 2
        near = x[..., max(first, 0) : first + size]
        y[..., c] = x[..., c] / (k + alpha / size * np.square(near).sum(axis=-1)) ** beta
    return y


def torch_local_response_norm(torch, x, size=5, **options):
    y = torch.nn.functional.local_response_norm(x.movedim(-1, 1), size, **options)
    return y.movedim(1, -1)


def l2_normalize(x, axis=-1, epsilon=1e-12):
    return x / np.maximum(np.sqrt(np.square(x).sum(axis=axis, keepdims=True)), epsilon)


OPERATIONS = [
    Operation(
        "batch_norm",
        (
            sample(normal(5, 3), normal(3), normal(3)),
            sample(normal(4, 3)),
            sample(normal(2, 3, 2), normal(2), normal(2), epsilon=0.1),
            sample(uniform(2.0, 4.0, 2, 3, 2, 2), normal(2), normal(2)),
            sample(normal(2, 2, 2, 2, 2), normal(2), normal(2)),
            sample(normal(6, 3), normal(3), normal(3), activation="relu"),
            sample(normal(2, 3, 2, 2), normal(2), normal(2), activation="relu"),
            sample(normal(5, 2), activation="relu"),
            sample(normal(6, 3), uniform(4.0, 9.0, 3), normal(3), activation="relu6"),
        ),
        batch_norm,
        torch_batch_norm,
    ),
    Operation(
        "batch_norm",
        (
            sample(normal(4, 3), normal(3), positive(3), normal(3), normal(3)),
            sample(normal(1, 3), normal(3), positive(3)),
            sample(normal(2, 2, 3, 2), normal(2), positive(2), normal(2), normal(2), epsilon=0.1),
            sample(normal(4, 3), normal(3), positive(3), normal(3), normal(3), activation="relu"),
            sample(normal(4, 3), normal(3), positive(3), uniform(4.0, 9.0, 3), normal(3), activation="relu6"),
        ),
        batch_inference,
        torch_batch_inference,
        call_batch_inference,
    ),
    Operation(
        "layer_norm",
        (
            sample(normal(3, 5)),
            sample(normal(2, 3, 4), normal(4), normal(4)),
            sample(normal(2, 3, 4), normal(3, 4), normal(3, 4), axes=2),
            sample(normal(2, 2, 2, 3), epsilon=0.1, axes=3),
        ),
        layer_norm,
        torch_layer_norm,
        lambda x, gamma=None, beta=None, axes=1, epsilon=1e-5: functional.layer_norm(
            x, axes, gamma, beta, epsilon
        ),
    ),
    Operation(
        "instance_norm",
        (
            sample(normal(2, 5, 2)),
            sample(normal(2, 3, 3, 2), normal(2), normal(2)),
            # Two samples: of a single one in this layout, PyTorch 2.13 computes a wrong gradient.
            sample(normal(2, 2, 2, 2, 2), normal(2), normal(2), epsilon=0.1),
        ),
        instance_norm,
        torch_instance_norm,
    ),
    Operation(
        "group_norm",
        (
            sample(normal(2, 3, 2, 4), groups=2),
            sample(normal(2, 3, 6), normal(6), normal(6), groups=3),
            sample(normal(3, 6), normal(6), normal(6), groups=2),
            sample(normal(2, 2, 2, 3), normal(3), normal(3), groups=1, epsilon=0.1),
        ),
        group_norm,
        torch_group_norm,
        lambda x, gamma=None, beta=None, groups=1, epsilon=1e-5: functional.group_norm(
            x, groups, gamma, beta, epsilon
        ),
    ),
    Operation(
        "local_response_norm",
        (
            sample(normal(2, 3, 2, 6)),
            sample(normal(2, 2, 7), size=3, alpha=0.5, beta=0.6, k=2.0),
            sample(normal(2, 2, 5), size=4, alpha=1.0, k=1.5),
            sample(normal(2, 2, 3), size=5, alpha=1.0),
            sample(normal(2, 2, 3), size=1, alpha=1.0),
        ),
        local_response_norm,
        torch_local_response_norm,
    ),
    Operation(
        "l2_normalize",
        (
            sample(normal(3, 4)),
            sample(normal(3, 4), axis=0),
            sample(normal(2, 3, 2), axis=(1, 2)),
            sample(uniform(-0.2, 0.2, 3, 4), epsilon=2.0),
        ),
        l2_normalize,
        lambda torch, x, axis=-1, epsilon=1e-12: torch.nn.functional.normalize(x, dim=axis, eps=epsilon),
    ),
]
