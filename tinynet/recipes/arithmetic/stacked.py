"""Layers of many models at once: their weights lie in one array, with axes for the models in front.

An experiment that trains one small network from many seeds trains all of them as one computation: each sees
only its own weights, and an optimiser that works on each number by itself (Adam, RMSprop) treats them as if
each were alone, provided that the loss is the sum over the models.
"""

from math import prod, sqrt

from tinynet import functional as F
from tinynet import nn
from tinynet.nn import init
from tinynet.nn.arguments import empty_parameter

__all__ = ["StackedLinear", "StackedNAC", "StackedNALU", "sum_of_models"]


def _glorot_uniform(models, in_features, out_features):
    """A parameter (*models, in, out); `init.glorot_uniform` would take the models for a kernel."""
    bound = sqrt(6 / (in_features + out_features))
    return init.uniform(empty_parameter(*models, in_features, out_features), -bound, bound)


class StackedLinear(nn.Module):
    """The dense layers of many models: (*models, N, in_features) → (*models, N, out_features).

    Args:
        models: how many models there are, a tuple of sizes.
        in_features, out_features: the sizes of the last axis, before and after.
    """

    def __init__(self, models, in_features, out_features):
        self.weight = _glorot_uniform(models, in_features, out_features)
        self.bias = init.zeros(empty_parameter(*models, 1, out_features))

    def forward(self, x):
        return x @ self.weight + self.bias


class StackedNAC(nn.NAC):
    """The `nn.NAC` of many models: (*models, N, in_features) → (*models, N, out_features).

    Args: see `StackedLinear`.
    """

    product = staticmethod(F.matmul)

    def __init__(self, models, in_features, out_features):
        self.in_features, self.out_features = in_features, out_features
        self.weight_hat, self.mask_hat = [
            _glorot_uniform(models, in_features, out_features) for _ in range(2)
        ]


class StackedNALU(nn.NALU):
    """The `nn.NALU` of many models: (*models, N, in_features) → (*models, N, out_features).

    Args: see `StackedLinear`; `epsilon` is that of `nn.NALU`.
    """

    def __init__(self, models, in_features, out_features, epsilon=1e-7):
        self.epsilon = epsilon
        self.accumulator = StackedNAC(models, in_features, out_features)
        self.gate = _glorot_uniform(models, in_features, out_features)


def sum_of_models(errors):
    """Errors (*models, N, outputs) → the sum over the models of their mean error, a tensor of one element."""
    return errors.sum() / prod(errors.shape[-2:])
