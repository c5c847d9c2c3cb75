"""Weights of other libraries in our names and our order of axes. All conversion of layouts is here.

What an array means is decided by the layer that is to take it, and by the library that is said to have
written it, never by its shape: a square matrix looks the same in every layout.

==========================  ======================  =====================  =======================
weight of                   tinynet                 PyTorch                Keras, TensorFlow
==========================  ======================  =====================  =======================
convolution                 (*kernel, in, out)      (out, in, *kernel)     (*kernel, in, out)
depthwise convolution       (*kernel, 1, in · m)    (in · m, 1, *kernel)   (*kernel, in, m)
transposed convolution      (*kernel, out, in)      (in, out, *kernel)     (*kernel, out, in)
dense                       (in, out)               (out, in)              (in, out)
dense, behind a flattening  rows in the order HWC   columns in CHW         rows in HWC
recurrent                   (in, gates · out)       (gates · out, in)
==========================  ======================  =====================  =======================

In convolutions of g groups it is in / g, in transposed ones out / g. Recurrent layers have the names and the
order of gates of PyTorch; those of Keras are not known here. Everything else has one axis, or the same axes
everywhere.
"""

import re

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.nn.convolution import _Convolution, _ConvTranspose
from tinynet.nn.linear import Linear
from tinynet.nn.recurrent import _Recurrent
from tinynet.nn.recurrent_cells import _Cell

__all__ = ["LIBRARIES", "convert_layout", "our_name", "translate"]

LIBRARIES = ("tinynet", "pytorch", "keras")
KERAS_NAMES = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "embeddings": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# Keras 1 called the weights of layer block1_conv1 block1_conv1_W_1 and block1_conv1_b_1.
KERAS_1_NAMES = {"W": "weight", "b": "bias"}
# PyTorch counts the batches that a batch norm has seen, which no computation of ours needs.
UNUSED = "num_batches_tracked"


def translate(model, arrays, library, modules=None, flattened=None):
    """Named arrays of another library as `Module.load_state_dict` takes them.

    Args:
        model: the module that is to take them.
        arrays: name → array, as `read_weights` gives them.
        library: who wrote them, one of `LIBRARIES`.
        modules: paths of modules in the file → paths in the model; None where they are the same. What has
            none keeps its name, and is then not expected by the model.
        flattened: paths of dense layers in the model → the number of channels C of the images
            (N, H, W, C) that are flattened before them.

    Returns:
        A dictionary with our names, in the order of the file, of views where that is possible.

    Raises:
        ArgumentError: there is no such library.
    """
    if library not in LIBRARIES:
        raise ArgumentError(f"translate: library should be one of {', '.join(LIBRARIES)}, not {library!r}")
    owners = dict(model.named_modules())
    translated = {}
    for name, array in arrays.items():
        path, leaf = our_name(name, library)
        if leaf == UNUSED and library == "pytorch":
            continue
        path = path if modules is None else modules.get(path, path)
        owner = owners.get(path)
        if owner is not None and leaf.partition("_")[0] == "weight":
            array = convert_layout(owner, array, library, (flattened or {}).get(path))
        translated[f"{path}.{leaf}" if path else leaf] = array
    return translated


def our_name(name, library):
    """(path of the module, name of the parameter): ``"conv1/kernel"`` of Keras is ``("conv1", "weight")``."""
    if library == "keras":
        path, _, leaf = name.replace("/", ".").rpartition(".")
        if old_name := re.fullmatch(rf"{re.escape(path)}_([Wb])(_\d+)?", leaf):
            return path, KERAS_1_NAMES[old_name[1]]
        return path, KERAS_NAMES.get(leaf, leaf)
    path, _, leaf = name.rpartition(".")
    return path, leaf


def convert_layout(layer, array, library, flattened=None):
    """The weight of a layer with its axes in our order; unchanged where it cannot be of this layer's kind.

    Args:
        layer: the module that is to take it.
        array: the weight as the library stores it.
        library: one of `LIBRARIES`.
        flattened: for a dense layer, the number of channels of the images flattened before it, or None.
    """
    if library == "tinynet":
        return array
    if isinstance(layer, _Convolution):
        return _convolution_weight(layer, array, library)
    if isinstance(layer, Linear):
        return _dense_weight(array, library, flattened)
    if isinstance(layer, (_Recurrent, _Cell)) and library == "pytorch" and array.ndim == 2:
        return array.T
    return array


def _convolution_weight(layer, array, library):
    if array.ndim != layer.dimensions + 2:
        return array
    if library == "pytorch":
        return np.moveaxis(array, (0, 1), (-1, -2))
    depthwise = layer.groups == layer.in_channels > 1 and not isinstance(layer, _ConvTranspose)
    if depthwise and array.shape[-2] == layer.in_channels:
        return array.reshape(*array.shape[:-2], 1, -1)
    return array


def _dense_weight(array, library, flattened):
    """A convolution of 1 × 1, which some networks have for their last layer, is a dense layer as well."""
    if library == "pytorch" and array.ndim >= 2:
        if flattened is not None and array.ndim == 2 and array.shape[1] % flattened == 0:
            channels_first = array.reshape(len(array), flattened, -1)
            return channels_first.transpose(2, 1, 0).reshape(array.shape[::-1])
        array = np.moveaxis(array, (0, 1), (-1, -2))
    if array.ndim > 2 and set(array.shape[:-2]) == {1}:
        array = array.reshape(array.shape[-2:])
    return array
