"""The function whose gradients `gradcheck` checks, with outputs and gradients in the form that it needs."""

from dataclasses import dataclass

import numpy as np

from tinynet.autograd.engine import grad
from tinynet.autograd.function import Function
from tinynet.autograd.mode import enable_grad
from tinynet.autograd.tensor import Tensor
from tinynet.backend import array_module
from tinynet.errors import GradientCheckError

__all__ = ["CheckedFunction", "gradient_function", "gradients_of", "input_tensors"]


@dataclass(frozen=True, slots=True)
class CheckedFunction:
    """The function being checked, and how it and its inputs are called in messages."""

    function: object
    name: str
    order: int = 1
    inputs: int | None = None

    def __call__(self, tensors):
        """The floating-point outputs, with the graph that leads to them."""
        with enable_grad():
            outputs = self.function(*tensors)
        outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
        for index, output in enumerate(outputs):
            if not isinstance(output, Tensor):
                raise GradientCheckError(f"{self}: output {index} is a {type(output).__name__}, not a tensor")
            if output.dtype.kind == "f" and output.dtype != np.float64:
                raise GradientCheckError(
                    f"{self}: output {index} is {output.dtype} although the inputs are float64, in which the "
                    "check runs; something inside converts the dtype"
                )
        return [output for output in outputs if output.dtype.kind == "f"]

    def arrays(self, arrays):
        """The same from arrays to arrays."""
        return [output.data for output in self(input_tensors(arrays))]

    def __str__(self):
        return f"gradcheck of {self.name}" + (f", order {self.order}" if self.order > 1 else "")

    def describe(self, index, array):
        """The name of an input in messages."""
        if self.inputs is None or index < self.inputs:
            return f"input {index} (shape {array.shape})"
        return f"the gradient given for output {index - self.inputs} (shape {array.shape})"


class _Input(Function):
    """Hands on its input. The engine converts the gradient of a leaf to the leaf's dtype; not so here."""

    __slots__ = ()

    def forward(self, x):
        return x

    def backward(self, gy):
        return gy

    backward_arrays = backward


def input_tensors(arrays):
    """Tensors of the arrays; a gradient can be asked for by the floating-point ones."""
    with enable_grad():
        return [_Input()(Tensor(array, requires_grad=array.dtype.kind == "f")) for array in arrays]


def gradient_function(target, count):
    """The function (inputs, weights of the outputs) → gradients by the inputs, itself differentiable."""

    def gradients(*tensors):
        inputs = tensors[:count]
        results = gradients_of(target(inputs), inputs, tensors[count:], create_graph=True)
        return [result for result in results if result is not None]

    return gradients


def gradients_of(outputs, inputs, weights, create_graph):
    """The gradient by each floating-point input, zeros where none comes; None for the other inputs."""
    pairs = [(y, w) for y, w in zip(outputs, weights, strict=True) if y.requires_grad]
    wanted = [index for index, x in enumerate(inputs) if x.requires_grad]
    gradients = [None] * len(inputs)
    for index in wanted:
        gradients[index] = Tensor(array_module(inputs[index].data).zeros_like(inputs[index].data))
    if pairs:
        outputs, weights = zip(*pairs, strict=True)
        targets = [inputs[index] for index in wanted]
        results = grad(outputs, targets, weights, create_graph=create_graph, allow_unused=True)
        for index, result in zip(wanted, results, strict=True):
            if result is not None:
                gradients[index] = result
    return gradients
