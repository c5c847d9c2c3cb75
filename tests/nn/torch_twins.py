"""Copies of tinynet layers in PyTorch: the same weights in its layout, channels first."""

import numpy as np


def channels_first(array):
    """(N, *spatial, C) → (N, C, *spatial)."""
    return np.moveaxis(array, -1, 1) if array.ndim > 2 else array


def channels_last(array):
    """(N, C, *spatial) → (N, *spatial, C)."""
    return np.moveaxis(array, 1, -1) if array.ndim > 2 else array


def torch_weight(weight):
    """(*kernel, in, out) → (out, in, *kernel); dense weights and vectors likewise."""
    return weight if weight.ndim < 2 else np.moveaxis(weight, (-1, -2), (0, 1))


def copy_weights(layer, twin, torch, convert=torch_weight):
    """Gives the PyTorch layer the parameters and buffers of the tinynet layer of the same names."""
    own = dict(twin.named_parameters()) | dict(twin.named_buffers())
    with torch.no_grad():
        for name, tensor in layer.state_dict().items():
            own[name].copy_(torch.from_numpy(np.ascontiguousarray(convert(tensor.numpy()))))
