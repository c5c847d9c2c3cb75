"""Running a model once while its graph is recorded, and noting which modules made which part of it."""

from typing import NamedTuple

from tinynet.autograd import Tensor, enable_grad
from tinynet.errors import ArgumentError
from tinynet.functional.conversion import clone
from tinynet.nn.module import Module
from tinynet.nn.trial_run import undisturbed, zeros_for

__all__ = ["Call", "Trace", "source", "trace"]


class Call(NamedTuple):
    """One call of a module.

    Attributes:
        name: the module's dotted name in the model.
        module: the module.
        sources: what its inputs came from: operations, or an input of the model.
        results: what gave its outputs, likewise.
        shape: of the first output, the batch axis included.
    """

    name: str
    module: Module
    sources: list
    results: list
    shape: tuple


class Trace(NamedTuple):
    """A recorded run.

    Attributes:
        inputs: the inputs of the model, tensors.
        calls: a `Call` for each call of a module that was watched, in the order in which they ended.
        nodes: every operation that depends on the inputs, in the order in which they ran.
        results: what gave the outputs of the model.
    """

    inputs: list
    calls: list
    nodes: list
    results: list


def trace(function, model, input_shape, watched, dtype=None):
    """Runs a model on zeros in inference mode and records the graph; the model is then as it was before.

    Args:
        function: the name of the caller, for error messages.
        model: a module.
        input_shape: the shape of one sample, or a list of shapes for a model of several inputs.
        watched: a dictionary from names to the modules whose calls are noted.
        dtype: of the zeros; that of the model's parameters if None.

    Raises:
        ArgumentError: the shape is none, or the model's output does not depend on its inputs.
    """
    inputs = zeros_for(function, model, input_shape, dtype, 1)
    for x in inputs:
        x.requires_grad_(True)
    calls = []
    with undisturbed(model), enable_grad():
        model.eval()
        remove = [module.register_forward_hook(_recorder(name, calls)) for name, module in watched.items()]
        try:
            results = list(filter(None, map(source, _tensors(model(*inputs)))))
        finally:
            for undo in remove:
                undo()
    ends = [*results, *[result for call in calls for result in call.results]]
    nodes = _dependants(ends, inputs)
    if not nodes:
        raise ArgumentError(f"{function}: the output of {type(model).__name__} does not depend on its input")
    return Trace(inputs, calls, nodes, results)


def source(tensor):
    """The operation that made a tensor, or the tensor itself if it is a leaf; None for a constant."""
    return (tensor.node or tensor) if tensor.requires_grad else None


def _recorder(name, calls):
    def record(module, inputs, output):
        given = _tensors(inputs)
        if isinstance(output, Tensor) and any(output is tensor for tensor in given):
            output = clone(output)  # so that a module which does nothing has a place in the graph
        outputs = _tensors(output)
        sources = [source(tensor) for tensor in given]
        results = [source(tensor) for tensor in outputs]
        if outputs:
            calls.append(
                Call(
                    name,
                    module,
                    [node for node in sources if node is not None],
                    [node for node in results if node is not None],
                    outputs[0].shape,
                )
            )
        return output

    return record


def _tensors(values):
    """The tensors in nested tuples, lists and dictionaries."""
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, dict):
        values = values.values()
    elif not isinstance(values, (tuple, list)):
        return []
    return [tensor for value in values for tensor in _tensors(value)]


def _dependants(ends, inputs):
    """The operations from which the ends are computed and which depend on the inputs, in order."""
    found, waiting = {}, [node for node in ends if node.is_node]
    while waiting:
        node = waiting.pop()
        if id(node) not in found:
            found[id(node)] = node
            waiting += [edge for edge in node.edges if edge is not None and edge.is_node]
    reached = {id(x) for x in inputs}
    nodes = []
    for node in sorted(found.values(), key=lambda node: node.order):
        if any(id(edge) in reached for edge in node.edges):
            reached.add(id(node))
            nodes.append(node)
    return nodes
