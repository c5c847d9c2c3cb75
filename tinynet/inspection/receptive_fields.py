"""Receptive fields: which part of the image a unit of a layer can see.

Along each spatial axis the unit at position i of a layer sees the pixels from i · stride + offset up to
i · stride + offset + size − 1; pixels below 0 or beyond the end are padding. A convolution or pooling of
kernel k, dilation d, stride s and padding p makes of a field another one:

    size' = size + d · (k − 1) · stride      stride' = s · stride      offset' = offset − p · stride

Where branches meet (residual sums, concatenations) the field is the smallest that holds those of all
branches. All of it is read from the operations that the model records, so any model will do.

Sources: A. Araujo, W. Norris, J. Sim, "Computing receptive fields of convolutional neural networks", 2019;
M. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", 2014.
"""

from dataclasses import dataclass

from tinynet.errors import ArgumentError
from tinynet.functional.convolution_operations import Convolution
from tinynet.functional.indexing import GetItem
from tinynet.functional.joining import Concatenate, Pad
from tinynet.functional.linear import Linear
from tinynet.functional.normalization import Standardization
from tinynet.functional.pooling import AveragePool, MaxPool
from tinynet.functional.reductions import Reduction
from tinynet.functional.shaping import Reshape
from tinynet.functional.softmax_functions import LogSoftmax, Softmax
from tinynet.inspection.layers import layers_by_name
from tinynet.inspection.tracing import trace

__all__ = ["ReceptiveField", "receptive_field", "receptive_fields"]

# The modules of tinynet.functional whose operations leave every pixel where it is.
POINTWISE = frozenset(
    f"tinynet.functional.{name}"
    for name in (
        "activations",
        "arithmetic",
        "batch_normalization",
        "choosing",
        "conversion",
        "dropout",
        "elementwise",
        "residual",
        "smooth_activations",
        "trigonometric",
    )
)


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What the units of a layer see of the image; one entry for each spatial axis everywhere.

    Attributes:
        size: how many pixels a unit sees, padding included.
        stride: how many pixels lie between the fields of neighbouring units; 0 where every unit sees all.
        offset: the first pixel that the first unit sees; below 0 in the padding.
    """

    size: tuple
    stride: tuple
    offset: tuple

    def window(self, position=None):
        """The pixels that the unit at a position sees, a (start, stop) pair for each spatial axis.

        The pairs may reach out of the image, into the padding. None is the first position.
        """
        position = (0,) * len(self.size) if position is None or len(position) == 0 else position
        starts = [
            int(place) * stride + offset
            for place, stride, offset in zip(position, self.stride, self.offset, strict=True)
        ]
        return tuple([(start, start + size) for start, size in zip(starts, self.size, strict=True)])


def receptive_field(model, input_shape, layer):
    """The receptive field of one layer; see `receptive_fields`.

    Raises:
        UnknownNameError: there is no such layer.
        ArgumentError: the layer was not called, does not depend on the image, or comes behind an operation
            that leaves no rectangle of pixels (the message names it).
    """
    layers_by_name(model, [layer])
    fields = _fields("receptive_field", model, input_shape)
    if layer not in fields:
        raise ArgumentError(f"receptive_field: layer {layer!r} was not called, or not on the image")
    field = fields[layer]
    if isinstance(field, str):
        raise ArgumentError(
            f"receptive_field: layer {layer!r} comes behind {field}, for which there is no rule"
        )
    return field


def receptive_fields(model, input_shape):
    """The receptive field of every layer of a model.

    Units of layers without spatial axes (behind flattening or global pooling), and of those into which the
    whole image flows in any other way, have a field of the whole image with stride 0.

    Args:
        model: a module that takes images; it is run once on zeros and is then as it was before.
        input_shape: the shape of one sample, (H, W, C) for images, (T, C) for sequences.

    Returns:
        A dictionary from names to `ReceptiveField`, in the order in which the layers were called; of
        layers that are called several times the first call counts. Left out are layers behind operations
        without a rule, such as transposed convolutions.
    """
    fields = _fields("receptive_fields", model, input_shape)
    return {name: field for name, field in fields.items() if not isinstance(field, str)}


def _fields(function, model, input_shape):
    """For each layer its field, or the name of the operation for which there is no rule."""
    run = trace(function, model, input_shape, dict(model.named_modules()))
    if len(run.inputs) != 1 or len(run.inputs[0].shape) < 3:
        raise ArgumentError(f"{function}: needs one input (H, W, C) or (T, C), not {input_shape}")
    (image,) = run.inputs
    sizes = image.shape[1:-1]
    axes = len(sizes)
    everything = ReceptiveField(sizes, (0,) * axes, (0,) * axes)
    known = {id(image): ReceptiveField((1,) * axes, (1,) * axes, (0,) * axes)}
    for node in run.nodes:
        before = [known[id(edge)] for edge in node.edges if id(edge) in known]
        known[id(node)] = _after(node, _union(before, everything), everything)
    fields = {}
    for call in run.calls:
        found = [known[id(node)] for node in call.results if id(node) in known]
        if found and call.name not in fields:
            has_place = len(call.shape) == axes + 2
            fields[call.name] = found[0] if has_place or isinstance(found[0], str) else everything
    return fields


def _union(fields, everything):
    """The smallest field that holds all of them; the first name of an operation if there is one."""
    unknown = [field for field in fields if isinstance(field, str)]
    if unknown:
        return unknown[0]
    if everything in fields:
        return everything
    first = fields[0]
    if any(field.stride != first.stride for field in fields):
        return "a meeting of branches of different strides"
    starts = tuple(map(min, zip(*[field.offset for field in fields], strict=True)))
    ends = [tuple(map(sum, zip(field.offset, field.size, strict=True))) for field in fields]
    stops = tuple(map(max, zip(*ends, strict=True)))
    sizes = tuple([stop - start for start, stop in zip(starts, stops, strict=True)])
    return ReceptiveField(sizes, first.stride, starts)


def _after(node, field, everything):
    """The field behind an operation, given the one before it; the operation's name if there is no rule."""
    if isinstance(field, str) or field is everything:
        return field
    axes = len(field.size)
    if isinstance(node, Convolution):
        return _slid(field, node.kernel_size, *node.geometry)
    if isinstance(node, (MaxPool, AveragePool)):
        return _slid(field, node.window, *node.geometry)
    if isinstance(node, Pad) and len(node.widths) == axes + 2:
        return _slid(field, (1,) * axes, (1,) * axes, node.widths[1:-1], (1,) * axes)
    if isinstance(node, GetItem):
        return _cut(field, *node.kept) or node.operation
    if isinstance(node, (Reduction, Standardization)):
        over_channels = min(node.axes) > axes and getattr(node, "keepdims", True)
        return field if over_channels else everything
    if isinstance(node, Reshape):
        return _reshaped(node, field, everything)
    if isinstance(node, (Concatenate, Softmax, LogSoftmax)):
        return field if node.axis > axes else node.operation
    is_pointwise = type(node).__module__ in POINTWISE or isinstance(node, Linear) or not hasattr(node, "xp")
    return field if is_pointwise else node.operation


def _slid(field, kernel, strides, padding, dilation):
    """The field behind a window that slides over the layer."""
    axes = range(len(field.size))
    return ReceptiveField(
        tuple([field.size[a] + dilation[a] * (kernel[a] - 1) * field.stride[a] for a in axes]),
        tuple([field.stride[a] * strides[a] for a in axes]),
        tuple([field.offset[a] - padding[a][0] * field.stride[a] for a in axes]),
    )


def _cut(field, key, shape):
    """The field behind slices of the spatial axes; None if the key is something else."""
    key = key if type(key) is tuple else (key,)
    axes = len(field.size)
    if any(part is Ellipsis for part in key):
        place = next(place for place, part in enumerate(key) if part is Ellipsis)
        key = (*key[:place], *[slice(None)] * (len(shape) + 1 - len(key)), *key[place + 1 :])
    parts = [*key[1:], *[slice(None)] * (axes + 1)][:axes]
    if len(key) > axes + 2 or not all(isinstance(part, slice) for part in (*key[:1], *parts)):
        return None
    places = [part.indices(size) for part, size in zip(parts, shape[1:], strict=False)]
    if any(step < 1 for _, _, step in places):
        return None
    padding = [(-start, 0) for start, _, _ in places]
    return _slid(field, (1,) * axes, [step for _, _, step in places], padding, (1,) * axes)


def _reshaped(node, field, everything):
    """Channels may be grouped anew; anything else mixes pixels."""
    axes = len(field.size)
    before, after = node.source_shape, tuple(node.shape)
    return field if before[: axes + 1] == after[: axes + 1] and len(after) > axes + 1 else everything
