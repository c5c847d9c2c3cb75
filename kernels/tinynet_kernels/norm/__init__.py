"""Normalisation of a matrix (M, C): of each column over its M rows, or of each row over its C columns.

The first is batch normalisation, for which images (N, H, W, C) are passed as (N * H * W, C); the second is
layer normalisation. Writing μ and σ² for the mean and the biased variance of a column or row,
``y = gamma * (x - μ) / sqrt(σ² + epsilon) + beta``, where in both cases gamma and beta belong to the columns.

Sources: Ioffe & Szegedy, Batch Normalization (2015), Algorithm 1 and the gradients of section 3; Ba, Kiros &
Hinton, Layer Normalization (2016), equations 3 and 4.
"""

from tinynet_kernels.dispatch import FLOATS, Family

__all__ = ["batch_backward", "batch_forward", "batch_inference", "layer_backward", "layer_forward"]

_family = Family(__name__, gpu=FLOATS)


def batch_forward(x, gamma, beta, epsilon, activation=None):
    """Normalises with the statistics of x itself.

    The statistics stay accurate when the mean is large against the spread. A matrix of no rows has, for
    want of anything better, mean 0 and variance 0.

    Args:
        x: (M, C).
        gamma, beta: scale and shift (C,).
        epsilon: what is added to the variance.
        activation: None, or "relu" for ``max(y, 0)`` in place of y, or "relu6" for ``min(max(y, 0), 6)``.

    Returns:
        y (M, C), and per column (C,): mean, biased variance, and ``1 / sqrt(variance + epsilon)``.
    """
    _check("batch_forward", x, gamma=gamma, beta=beta)
    _check_activation("batch_forward", activation)
    return _family.take(x, gamma, beta).batch_forward(x, gamma, beta, epsilon, activation)


def batch_inference(x, gamma, beta, mean, variance, epsilon, activation=None):
    """Normalises x (M, C) with the given statistics; everything else is (C,). Returns y (M, C).

    `activation` is that of `batch_forward`.
    """
    _check("batch_inference", x, gamma=gamma, beta=beta, mean=mean, variance=variance)
    _check_activation("batch_inference", activation)
    take = _family.take(x, gamma, beta, mean, variance)
    return take.batch_inference(x, gamma, beta, mean, variance, epsilon, activation)


def batch_backward(gy, x, gamma, mean, inverse_std, y=None, activation="relu"):
    """The gradients of `batch_forward`, statistics included.

    Args:
        gy: gradient with respect to y (M, C).
        x: the input (M, C).
        gamma, mean, inverse_std: (C,), as given to and returned by `batch_forward`.
        y: its output (M, C) where it ended with an activation, otherwise None.
        activation: with which, "relu" or "relu6"; no gradient passes where it has cut something off.

    Returns:
        The gradients with respect to x (M, C), gamma (C,) and beta (C,).
    """
    _check("batch_backward", x, gamma=gamma, mean=mean, inverse_std=inverse_std)
    for name, array in (("gy", gy), ("y", y)):
        if array is not None and array.shape != x.shape:
            raise ValueError(f"norm.batch_backward: {name} has shape {array.shape} but x has {x.shape}")
    _check_activation("batch_backward", activation)
    take = _family.take(*[array for array in (gy, x, gamma, mean, inverse_std, y) if array is not None])
    return take.batch_backward(gy, x, gamma, mean, inverse_std, y, activation)


def layer_forward(x, gamma, beta, epsilon):
    """Normalises each row.

    The statistics stay accurate when the mean is large against the spread. Rows without columns have mean 0
    and variance 0.

    Args:
        x: (M, C).
        gamma, beta: scale and shift (C,), or None both.
        epsilon: what is added to the variance.

    Returns:
        y (M, C), and per row (M,): the mean, and ``1 / sqrt(variance + epsilon)``.
    """
    if (gamma is None) != (beta is None):
        raise ValueError("norm.layer_forward: give both gamma and beta, or neither")
    per_column = {} if gamma is None else {"gamma": gamma, "beta": beta}
    _check("layer_forward", x, **per_column)
    return _family.take(x, *per_column.values()).layer_forward(x, gamma, beta, epsilon)


def layer_backward(gy, x, gamma, mean, inverse_std):
    """The gradients of `layer_forward`, statistics included.

    Args:
        gy: gradient with respect to y (M, C).
        x: the input (M, C).
        gamma: (C,), or None.
        mean, inverse_std: (M,), as returned by `layer_forward`.

    Returns:
        The gradients with respect to x (M, C), gamma (C,) and beta (C,), the last two None without gamma.
    """
    per_column = {} if gamma is None else {"gamma": gamma}
    _check("layer_backward", x, **per_column)
    if gy.shape != x.shape:
        raise ValueError(f"norm.layer_backward: gy has shape {gy.shape} but x has {x.shape}")
    for name, array in (("mean", mean), ("inverse_std", inverse_std)):
        if array.shape != x.shape[:1]:
            raise ValueError(
                f"norm.layer_backward: {name} has shape {array.shape}, but x (shape {x.shape}) has "
                f"{x.shape[0]} rows"
            )
    take = _family.take(gy, x, mean, inverse_std, *per_column.values())
    return take.layer_backward(gy, x, gamma, mean, inverse_std)


def _check(function, x, **per_column):
    if x.ndim != 2:
        raise ValueError(f"norm.{function}: x must be a matrix (M, C), but has shape {x.shape}")
    for name, array in per_column.items():
        if array.shape != (x.shape[1],):
            raise ValueError(
                f"norm.{function}: {name} has shape {array.shape}, but x (shape {x.shape}) has "
                f"{x.shape[1]} columns"
            )


def _check_activation(function, activation):
    if activation not in (None, "relu", "relu6"):
        raise ValueError(f"norm.{function}: activation must be 'relu', 'relu6' or None, not {activation!r}")
