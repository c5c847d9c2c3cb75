"""A classifier for images of one size, turned into one for images of any size, with the same weights.

A dense layer on flattened maps (h, w, C) is a convolution with windows of h × w, which has one place to be;
the dense layers behind it are convolutions of 1 × 1. On a larger image these windows have several places, and
each gives what the classifier would say to a part of the image. What the parts share is computed once.

Source: P. Sermanet et al., "OverFeat: Integrated Recognition, Localization and Detection using Convolutional
Networks", ICLR 2014, section 3.5.
"""

import copy

import numpy as np

from tinynet import backend
from tinynet.autograd import Tensor, no_grad
from tinynet.errors import ArgumentError, TinynetError
from tinynet.nn import init
from tinynet.nn.activations import Identity
from tinynet.nn.convolution import Conv2d
from tinynet.nn.linear import Linear
from tinynet.nn.module import Module
from tinynet.nn.parameter import Parameter
from tinynet.nn.pooling import AvgPool2d, GlobalAvgPool2d, GlobalMaxPool2d, MaxPool2d
from tinynet.nn.shaping import Flatten
from tinynet.nn.trial_run import zeros_for

__all__ = ["fully_convolutional"]

TOLERANCE = 1e-3  # relative; the same numbers are added, in another order


def fully_convolutional(model, input_shape=None):
    """A copy of a classifier, in inference mode, that slides over images of any size.

    `Flatten` and the dense layer behind it become a convolution, further dense layers convolutions of 1 × 1,
    and pooling over all pixels pooling over windows of the size that it had.

    Output (i, j) of the copy looks at the part of the image that begins at (i · s, j · s), with s the product
    of all strides. Where nothing in the model pads its input, it is just what the model says to that part
    alone; with padding it differs, since the model then sees zeros around the part, and the copy its
    surroundings.

    Args:
        model: images (N, H, W, C) → logits (N, classes). Its parts are modules; it is not changed.
        input_shape: (H, W, C) of the images that it was made for; None takes ``model.input_shape``.

    Returns:
        The copy: (N, H', W', C) → (N, rows, columns, classes), with 1 row and column for H' = H and W' = W.

    Raises:
        ArgumentError: there is no input shape, or the model does something with its images that this
            function doesn't know how to slide, such as flattening them without a `Flatten`.
    """
    input_shape = getattr(model, "input_shape", None) if input_shape is None else input_shape
    if input_shape is None:
        raise ArgumentError(
            f"fully_convolutional: {type(model).__name__} has no input_shape, so it must be given"
        )
    model = copy.deepcopy(model).eval()
    (images,) = zeros_for("fully_convolutional", model, tuple(input_shape), None, batch_size=1)
    numbers = np.random.default_rng(0).standard_normal(images.shape)
    images.data[...] = backend.to_device(numbers, images.device)
    with no_grad():
        expected, calls = _record(model, images)
        replacements = _replacements(calls)
        for parent in list(model.modules()):
            for name, child in list(parent.named_children()):
                if id(child) in replacements:
                    setattr(parent, name, replacements[id(child)])
        _check(model, images, expected)
    return model


def _record(model, images):
    """The model's output, and the calls of what has to be replaced, in their order: (module, input shape)."""
    calls = []
    removals = [
        module.register_forward_hook(lambda module, inputs, _: calls.append((module, inputs[0].shape)))
        for module in model.modules()
        if isinstance(module, (Flatten, Linear, GlobalAvgPool2d, GlobalMaxPool2d))
    ]
    try:
        return model(images), calls
    finally:
        for remove in removals:
            remove()


def _replacements(calls):
    """What takes the place of each module, by its id."""
    replacements: dict[int, Module] = {}
    flattened = None
    for module, shape in calls:
        if id(module) in replacements:
            raise ArgumentError(f"fully_convolutional: {type(module).__name__} is used more than once")
        if isinstance(module, Flatten):
            replacements[id(module)] = Identity()
            flattened = shape[1:] if len(shape) == 4 else None
        elif isinstance(module, Linear):
            window = (1, 1) if flattened is None else flattened[:2]
            replacements[id(module)] = _convolution(module, window)
            flattened = None
        else:
            pool = AvgPool2d if isinstance(module, GlobalAvgPool2d) else MaxPool2d
            replacements[id(module)] = pool(shape[1:3], stride=1)
    return replacements


def _convolution(dense, window):
    """The convolution that has the weights of a dense layer."""
    channels, rest = divmod(dense.in_features, window[0] * window[1])
    if rest:
        raise ArgumentError(f"fully_convolutional: {dense!r} does not take the maps that were flattened")
    with init.skipped():
        layer = Conv2d(channels, dense.out_features, window, bias=dense.bias is not None)
    # Flattened maps (h, w, C) have their channels change fastest, as the weight (h, w, C, out) has.
    layer.weight = Parameter(dense.weight.data.reshape(layer.weight.shape), dense.weight.requires_grad)
    if dense.bias is not None:
        layer.bias = Parameter(dense.bias.data, dense.bias.requires_grad)
    return layer.eval()


def _check(model, images, expected):
    """Raises ArgumentError unless the copy says of one image what the model did."""
    problem = None
    try:
        found = model(images)
    except TinynetError as error:
        problem = str(error)
    else:
        if not isinstance(found, Tensor) or found.shape != (1, 1, 1, *expected.shape[1:]):
            problem = f"the copy's output has the shape {getattr(found, 'shape', None)}"
        elif abs(found - expected).max().item() > TOLERANCE * abs(expected).max().item():
            problem = "the copy gives other numbers"
    if problem is not None:
        raise ArgumentError(f"fully_convolutional: {type(model).__name__} cannot be converted: {problem}")
