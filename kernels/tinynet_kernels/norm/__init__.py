"""Batch normalisation of a matrix (M, C): each column is normalised over its M rows.

Images (N, H, W, C) are passed as (N * H * W, C). Writing μ and σ² for a column's mean and biased
variance, ``y = gamma * (x - μ) / sqrt(σ² + epsilon) + beta``.

Source: Ioffe & Szegedy, Batch Normalization (2015), Algorithm 1 and the gradients of section 3.
"""

from tinynet_kernels.dispatch import Family

__all__ = ["batch_backward", "batch_forward", "batch_inference"]

_family = Family(__name__)


def batch_forward(x, gamma, beta, epsilon):
    """Normalises with the statistics of x itself.

    The statistics stay accurate when the mean is large against the spread. A matrix of no rows has, for
    want of anything better, mean 0 and variance 0.

    Args:
        x: (M, C).
        gamma, beta: scale and shift (C,).
        epsilon: what is added to the variance.

    Returns:
        y (M, C), and per column (C,): mean, biased variance, and ``1 / sqrt(variance + epsilon)``.
    """
    _check("batch_forward", x, gamma=gamma, beta=beta)
    return _family.take(x, gamma, beta).batch_forward(x, gamma, beta, epsilon)


def batch_inference(x, gamma, beta, mean, variance, epsilon):
    """Normalises x (M, C) with the given statistics; everything else is (C,). Returns y (M, C)."""
    _check("batch_inference", x, gamma=gamma, beta=beta, mean=mean, variance=variance)
    take = _family.take(x, gamma, beta, mean, variance)
    return take.batch_inference(x, gamma, beta, mean, variance, epsilon)


def batch_backward(gy, x, gamma, mean, inverse_std):
    """The gradients of `batch_forward`, statistics included.

    Args:
        gy: gradient with respect to y (M, C).
        x: the input (M, C).
        gamma, mean, inverse_std: (C,), as given to and returned by `batch_forward`.

    Returns:
        The gradients with respect to x (M, C), gamma (C,) and beta (C,).
    """
    _check("batch_backward", x, gamma=gamma, mean=mean, inverse_std=inverse_std)
    if gy.shape != x.shape:
        raise ValueError(f"norm.batch_backward: gy has shape {gy.shape} but x has {x.shape}")
    take = _family.take(gy, x, gamma, mean, inverse_std)
    return take.batch_backward(gy, x, gamma, mean, inverse_std)


def _check(function, x, **per_column):
    if x.ndim != 2:
        raise ValueError(f"norm.{function}: x must be a matrix (M, C), but has shape {x.shape}")
    for name, array in per_column.items():
        if array.shape != (x.shape[1],):
            raise ValueError(
                f"norm.{function}: {name} has shape {array.shape}, but x (shape {x.shape}) has "
                f"{x.shape[1]} columns"
            )
