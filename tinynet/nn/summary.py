"""The table of a model's layers: output shapes, parameters, multiply-adds and activation memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from tinynet.autograd import Tensor, enable_grad, no_grad
from tinynet.errors import ArgumentError
from tinynet.nn.chaining import fusion
from tinynet.nn.recurrent import _Recurrent
from tinynet.nn.trial_run import undisturbed, zeros_for

__all__ = ["LayerSummary", "Summary", "summarize"]

_HEADINGS = ("Layer (type)", "Output shape", "Params", "Multiply-adds", "Activation memory")


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One call of one layer.

    Attributes:
        name: the path of the layer in the model.
        type: its class.
        output_shape: with None for the batch axis; a list of shapes for several outputs.
        parameters: how many numbers it holds, running statistics included; 0 from its second call on.
        trainable_parameters: how many of them are learnt.
        multiply_adds: multiplications with a following addition, for one sample.
        activation_bytes: the memory that the output takes, for one sample; 0 where it takes none, since it is
            a view of the input, or since the layer before has computed it in place of its own output.
    """

    name: str
    type: str
    output_shape: tuple | list
    parameters: int
    trainable_parameters: int
    multiply_adds: int
    activation_bytes: int

    @property
    def title(self):
        """The name and the type, as the first column shows them."""
        return f"{self.name} ({self.type})" if self.name else self.type


@dataclass(frozen=True, slots=True)
class Summary:
    """The layers of a model in the order in which they were called, and totals. Printed as a table.

    Attributes:
        model: the model's class.
        layers: a `LayerSummary` for each call of a layer.
        total_parameters: of the whole model, each counted once, running statistics included, as Keras
            counts them.
        trainable_parameters: how many of them are learnt.
    """

    model: str
    layers: tuple[LayerSummary, ...]
    total_parameters: int
    trainable_parameters: int

    @property
    def non_trainable_parameters(self):
        """Frozen parameters and running statistics."""
        return self.total_parameters - self.trainable_parameters

    @property
    def multiply_adds(self):
        """Of all layers, for one sample."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def activation_bytes(self):
        """Of all layers' outputs, for one sample; the input is not among them."""
        return sum(layer.activation_bytes for layer in self.layers)

    def __iter__(self) -> Iterator[LayerSummary]:
        return iter(self.layers)

    def __len__(self):
        return len(self.layers)

    def __str__(self):
        rows = [_HEADINGS] + [_cells(layer) for layer in self.layers]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [_line(row, widths) for row in rows]
        rule = "─" * max(map(len, lines))
        totals = (
            f"Total params: {self.total_parameters:,}",
            f"Trainable params: {self.trainable_parameters:,}",
            f"Non-trainable params: {self.non_trainable_parameters:,}",
            f"Multiply-adds per sample: {self.multiply_adds:,}",
            f"Activation memory per sample: {_bytes(self.activation_bytes)}",
        )
        return "\n".join([self.model, rule, lines[0], rule, *lines[1:], rule, *totals])


def summarize(model, input_shape, dtype=None, batch_size=None):
    """Tells what each layer of a model makes of inputs of this shape, without computing anything.

    Runs the model on a batch of no samples: shapes come out, but nothing is calculated and no activations
    are allocated. A model that cannot take an empty batch, or whose layers do not keep the batch axis in
    front, is run on one sample of zeros instead.

    The model runs in inference mode; afterwards it is as it was before, and so are its buffers and the
    default random generator. Layers are the modules that hold no other modules; what a forward calculates
    besides, such as the sum of a residual block, is not in the table. Multiply-adds are those that a layer
    tells by ``multiply_adds(input_shape, output_shape)``.

    Args:
        model: a module.
        input_shape: the shape of one sample, (H, W, C) for instance, or a list of shapes for a model of
            several inputs.
        dtype: of the inputs; that of the model's parameters if None. Integers for a model that starts with
            an embedding.
        batch_size: how many samples of zeros to run in place of the empty batch. A model that merges another
            axis with that of the batch needs this, for an empty batch does not show how long the other was.

    Returns:
        A `Summary`.

    Raises:
        ArgumentError: the shape or the batch size is none.
    """
    if batch_size is not None:
        _check_batch_size(batch_size)
        layers = _layers(model, zeros_for("summarize", model, input_shape, dtype, batch_size), batch_size)
    else:
        empty = zeros_for("summarize", model, input_shape, dtype, 0)
        try:
            layers = _layers(model, empty, 0)
        except Exception:
            # Only a real sample tells whether it is the model that is wrong.
            layers = _layers(model, zeros_for("summarize", model, input_shape, dtype, 1), 1)
    every = [*model.parameters(), *_statistics(model, recurse=True)]
    return Summary(
        type(model).__name__,
        tuple(layers),
        sum(tensor.size for tensor in every),
        model.num_parameters(trainable_only=True),
    )


def _check_batch_size(batch_size):
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ArgumentError(f"summarize: batch_size must be an integer of at least 1, not {batch_size!r}")


def _layers(model, inputs, batch_size):
    """A `LayerSummary` for each call of a layer while the model runs on these inputs."""
    with undisturbed(model):
        model.eval()
        recorder = _Recorder(model, batch_size, _computed_by_others(model, inputs))
        remove = [module.register_forward_hook(recorder) for module in model.modules()]
        try:
            with no_grad():
                model(*inputs)
        finally:
            for undo in remove:
                undo()
    return recorder.layers


def _computed_by_others(model, inputs):
    """The ids of the modules whose output is what a layer before them writes at once, see `nn.chain`.

    That is how training goes, where batch norm keeps its input and is never part of a convolution; hence
    the graph, with which nothing is folded.
    """
    with enable_grad(), fusion() as groups:
        model(*inputs)
    return {id(step) for group in groups for step in group[1:]}


class _Recorder:
    """The forward hook that writes down each call of a layer."""

    def __init__(self, model, batch_size, computed_by_others):
        self.names = {id(module): name for name, module in model.named_modules()}
        self.batch_size = batch_size
        self.computed_by_others = computed_by_others
        self.counted = set()
        self.layers = []

    def __call__(self, module, inputs, output):
        if any(True for _ in module.children()):
            return
        if isinstance(module, _Recurrent):
            output = output[0]  # the others are states, which have no batch axis in front
        outputs = [part for part in _parts(output) if isinstance(part, Tensor)]
        if self.batch_size == 0 and any(part.shape[:1] != (0,) for part in outputs):
            raise ArgumentError(f"summarize: {type(module).__name__} does not keep the batch axis in front")
        shapes = [(None, *part.shape[1:]) for part in outputs]
        parameters, trainable = self._count(module)
        self.layers.append(
            LayerSummary(
                name=self.names[id(module)],
                type=type(module).__name__,
                output_shape=shapes[0] if len(shapes) == 1 else shapes,
                parameters=parameters,
                trainable_parameters=trainable,
                multiply_adds=self._multiply_adds(module, inputs, outputs),
                activation_bytes=self._bytes_of(module, inputs, outputs),
            )
        )

    def _count(self, module):
        held = [*module.parameters(recurse=False), *_statistics(module, recurse=False)]
        new = [tensor for tensor in held if id(tensor) not in self.counted]
        self.counted.update(map(id, new))
        return sum(tensor.size for tensor in new), sum(tensor.size for tensor in new if tensor.requires_grad)

    def _multiply_adds(self, module, inputs, outputs):
        count = getattr(module, "multiply_adds", None)
        if count is None or not outputs:
            return 0
        samples = max(self.batch_size, 1)
        return count(self._with_samples(inputs[0]), self._with_samples(outputs[0])) // samples

    def _bytes_of(self, module, inputs, outputs):
        if id(module) in self.computed_by_others:
            return 0
        given = [part.data for part in _parts(list(inputs)) if isinstance(part, Tensor)]
        new = [part for part in outputs if not any(_is_view(part.data, array) for array in given)]
        samples = max(self.batch_size, 1)
        return sum(prod(self._with_samples(part)) * part.dtype.itemsize for part in new) // samples

    def _with_samples(self, tensor):
        """The shape of a tensor, as it is for one sample where there is none."""
        shape = np.shape(tensor)
        return shape if self.batch_size else (1, *shape[1:])


def _is_view(array, other):
    """Whether an array takes its numbers from the other one, so that it needs no memory of its own."""
    if array is other or array.base is other:
        return True
    return array.base is not None and array.base is other.base


def _parts(output):
    """The tensors in an output, which may be nested tuples, lists and dictionaries."""
    if isinstance(output, dict):
        output = tuple(output.values())
    if not isinstance(output, (tuple, list)):
        return [output]
    return [part for entry in output for part in _parts(entry)]


def _statistics(module, recurse):
    """The buffers that are saved with the model and hold floating numbers."""
    buffers = module.named_buffers(recurse=recurse, persistent_only=True)
    return [buffer for _, buffer in buffers if buffer.dtype.kind == "f"]


def _cells(layer):
    several = isinstance(layer.output_shape, list)
    shapes = layer.output_shape if several else [layer.output_shape]
    return (
        layer.title,
        ", ".join(map(_shape_text, shapes)) or "–",
        f"{layer.parameters:,}",
        f"{layer.multiply_adds:,}",
        _bytes(layer.activation_bytes),
    )


def _shape_text(shape):
    return f"({', '.join(map(str, shape))})"


def _line(cells, widths):
    """Texts to the left, numbers to the right."""
    aligned = [
        cell.ljust(width) if column < 2 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()


def _bytes(count):
    """A number of bytes in the largest unit of which there is at least one."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
