"""Normalisation as its formulas say; the variance takes a second pass, over x - mean."""

from tinynet_kernels.dispatch import array_module


def batch_forward(x, gamma, beta, epsilon, activation=None):
    xp = array_module(x)
    rows = max(1, x.shape[0])
    mean = (x.sum(axis=0, dtype=xp.float64) / rows).astype(x.dtype)
    variance = (xp.square(x - mean).sum(axis=0, dtype=xp.float64) / rows).astype(x.dtype)
    inverse_std = (1 / xp.sqrt(variance + epsilon)).astype(x.dtype)
    y = _activated(xp, gamma * ((x - mean) * inverse_std) + beta, activation)
    return y, mean, variance, inverse_std


def batch_inference(x, gamma, beta, mean, variance, epsilon, activation=None):
    xp = array_module(x)
    inverse_std = (1 / xp.sqrt(variance + epsilon)).astype(x.dtype)
    return _activated(xp, gamma * ((x - mean) * inverse_std) + beta, activation)


def batch_backward(gy, x, gamma, mean, inverse_std, y=None, activation="relu"):
    rows = max(1, x.shape[0])
    if y is not None:
        passes = (y > 0) & (y < 6) if activation == "relu6" else y > 0
        gy = array_module(gy).where(passes, gy, gy.dtype.type(0))
    normalized = (x - mean) * inverse_std
    gbeta = gy.sum(axis=0)
    ggamma = (gy * normalized).sum(axis=0)
    gx = gamma * inverse_std * (gy - gbeta / rows - normalized * (ggamma / rows))
    return gx, ggamma, gbeta


def layer_forward(x, gamma, beta, epsilon):
    xp = array_module(x)
    columns = max(1, x.shape[1])
    mean = (x.sum(axis=1, dtype=xp.float64) / columns).astype(x.dtype)
    centred = x - mean[:, None]
    variance = (xp.square(centred).sum(axis=1, dtype=xp.float64) / columns).astype(x.dtype)
    inverse_std = (1 / xp.sqrt(variance + epsilon)).astype(x.dtype)
    y = centred * inverse_std[:, None]
    return (y if gamma is None else gamma * y + beta), mean, inverse_std


def layer_backward(gy, x, gamma, mean, inverse_std):
    columns = max(1, x.shape[1])
    normalized = (x - mean[:, None]) * inverse_std[:, None]
    g = gy if gamma is None else gy * gamma
    shared = g.sum(axis=1, keepdims=True) / columns
    along = (g * normalized).sum(axis=1, keepdims=True) / columns
    gx = inverse_std[:, None] * (g - shared - normalized * along)
    return (gx, None, None) if gamma is None else (gx, (gy * normalized).sum(axis=0), gy.sum(axis=0))


def _activated(xp, y, activation):
    if activation is None:
        return y
    return xp.clip(y, 0, 6) if activation == "relu6" else xp.maximum(y, 0)
