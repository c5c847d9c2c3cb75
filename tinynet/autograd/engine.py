"""The backward pass: gradients flow from the outputs to the inputs, the youngest operation first.

Every recorded operation carries the time at which it was made, and uses only what is older. Taking the
operations in order of decreasing time therefore meets each one after everything that used its output,
when its gradient is complete. The pass is a loop, not a recursion: chains of any length work.
"""

from contextlib import nullcontext
from operator import attrgetter

import numpy as np

from tinynet.autograd import anomaly
from tinynet.autograd.function import OutputNode
from tinynet.autograd.mode import enable_grad, no_grad, per_thread
from tinynet.autograd.ownership import IN_DICTIONARY, IN_RESULTS, IN_VARIABLE, is_alone
from tinynet.autograd.precision import outside_of_blocks
from tinynet.autograd.tensor import Tensor
from tinynet.backend import array_module
from tinynet.errors import ArgumentError, GraphError, ShapeError
from tinynet_kernels.memory import SMALLEST, calculate

__all__ = ["backward", "grad"]

_by_order = attrgetter("order")


def backward(outputs, gradients, *, retain_graph=False, create_graph=False):
    """Adds the gradients of `outputs` to the ``grad`` of every leaf; see `Tensor.backward`."""
    seeds = _seeds("backward", outputs, gradients)
    _Pass(create_graph, retain_graph or create_graph).run(seeds)


def grad(outputs, inputs, grad_outputs=None, *, create_graph=False, retain_graph=None, allow_unused=False):
    """The gradients of `outputs` (summed) by each of `inputs`. Leaves every ``grad`` alone.

    Args:
        outputs: a tensor or a sequence of tensors.
        inputs: a tensor or a sequence of tensors, leaves or not.
        grad_outputs: the gradient by each output; may be left out for outputs of one element.
        create_graph: record the calculation of the gradients, to differentiate them again.
        retain_graph: keep the graph for another pass; by default as `create_graph` says.
        allow_unused: give None for an input that the outputs don't depend on, instead of an error.

    Returns:
        A tensor when `inputs` is one, otherwise a tuple of tensors.

    Raises:
        GraphError: an output or input requires no gradient, or an input was not used.
    """
    single = isinstance(inputs, Tensor)
    inputs = [inputs] if single else list(inputs)
    if isinstance(outputs, Tensor):
        outputs = [outputs]
        grad_outputs = None if grad_outputs is None else [grad_outputs]
    outputs = list(outputs)
    for index, tensor in enumerate(inputs):
        if not tensor.requires_grad:
            raise GraphError(f"grad: input {index} (shape {tensor.shape}) does not require a gradient")
    seeds = _seeds("grad", outputs, [None] * len(outputs) if grad_outputs is None else grad_outputs)
    retain_graph = create_graph if retain_graph is None else retain_graph
    targets = [tensor.node or tensor for tensor in inputs]
    found = _Pass(create_graph, retain_graph).run(seeds, targets)
    results = tuple([found.get(target) for target in targets])
    if not allow_unused and any(result is None for result in results):
        index = next(i for i, result in enumerate(results) if result is None)
        raise GraphError(
            f"grad: the outputs do not depend on input {index} (shape {inputs[index].shape}); "
            "pass allow_unused=True to get None for it"
        )
    return results[0] if single else results


def _seeds(operation, outputs, gradients):
    """Pairs of node (or leaf) and gradient tensor to start from."""
    outputs, gradients = list(outputs), list(gradients)
    if len(outputs) != len(gradients):
        raise ArgumentError(f"{operation}: {len(outputs)} outputs but {len(gradients)} gradients for them")
    seeds = []
    for output, gradient in zip(outputs, gradients, strict=True):
        if not output.requires_grad:
            raise GraphError(
                f"{operation}: the output (shape {output.shape}) does not depend on anything that requires "
                "a gradient, or was computed inside no_grad()"
            )
        if gradient is None:
            if output.size != 1:
                raise ShapeError(
                    f"{operation}: a gradient must be given for an output of shape {output.shape}; "
                    "only for a single element is it 1 by itself"
                )
            gradient = Tensor(array_module(output.data).ones_like(output.data))
        elif not isinstance(gradient, Tensor):
            gradient = Tensor(array_module(output.data).asarray(gradient, dtype=output.dtype))
        if gradient.shape != output.shape:
            raise ShapeError(
                f"{operation}: the gradient has shape {gradient.shape} but the output has {output.shape}"
            )
        seeds.append((output.node or output, _as_dtype(gradient, output.dtype)))
    return seeds


def _collect(roots):
    """All operations behind `roots`, the oldest first, and the youngest that was freed before, or None."""
    nodes = list({root: None for root in roots if root.is_node})
    # Leaves are noted as well, and None, the edge to a constant: both come up time and again.
    seen = {None, *nodes}
    stack = nodes.copy()
    freed = None
    while stack:
        node = stack.pop()
        edges = node.edges
        if edges is None:
            freed = node if freed is None or node.order > freed.order else freed
            continue
        for edge in edges:
            if edge not in seen:
                seen.add(edge)
                if edge.is_node:
                    nodes.append(edge)
                    stack.append(edge)
    # Found in an almost decreasing order, which Python sorts in linear time.
    nodes.sort(key=_by_order)
    return nodes, freed


def _leading_to(nodes, targets):
    """Those of `nodes`, given the oldest first, through which a target is reached."""
    useful = set(targets)
    kept = []
    for node in nodes:
        if node in useful or not useful.isdisjoint(node.edges or ()):
            useful.add(node)
            kept.append(node)
    return kept, useful


def _check_not_freed(freed, targets):
    """Raises GraphError when part of a gradient would be lost behind the youngest freed operation.

    What was behind it is not known any more, only that it was older: no harm is done when all targets are
    the results of younger operations, or of this one.
    """
    if targets is None or any(not target.is_node or target.order < freed.order for target in targets):
        raise GraphError(freed.freed_message())


class _Pass:
    """One backward pass. Gradients are arrays, or tensors when the pass itself is recorded."""

    def __init__(self, create_graph, retain_graph):
        self.recorded = create_graph
        self.retain_graph = retain_graph
        self.gradients = {}
        self.useful = None
        self.checking = per_thread.mode.checking
        # Parts of a leaf's gradient go into `grad` before the other parts are known, unless somebody
        # wants to see the whole first: it saves keeping the gradients of all parameters to the end.
        self.deposit_at_once = not create_graph

    def run(self, seeds, targets=None):
        """Sends the gradients of `seeds` down; gives those of `targets`, or fills the leaves' ``grad``."""
        nodes, freed = _collect([node for node, _ in seeds])
        if freed is not None:
            _check_not_freed(freed, targets)
        found = None
        if targets is not None:
            nodes, self.useful = _leading_to(nodes, targets)
            self.deposit_at_once = False
            found = dict.fromkeys(targets)
        for node, gradient in seeds:
            if self.useful is None or node in self.useful:
                gradient = gradient if self.recorded else gradient.data
                if node in self.gradients:
                    self._add(node, gradient)
                else:
                    self.gradients[node] = gradient
        mode = per_thread.mode
        outer = mode.freeing, mode.depositing
        mode.freeing, mode.depositing = not self.retain_graph, self.deposit_at_once
        try:
            with enable_grad() if self.recorded else no_grad(), outside_of_blocks():
                self._walk(nodes, found)
                self._finish_leaves(found)
        finally:
            mode.freeing, mode.depositing = outer
        return found

    def _walk(self, nodes, found):
        gradients = self.gradients
        useful = self.useful
        deposit_at_once = self.deposit_at_once
        retain_graph = self.retain_graph
        careful = self.recorded or self.checking
        while nodes:
            node = nodes.pop()
            if node in gradients:
                if node.hooks:
                    gradients[node] = self._call_hooks(node.hooks, gradients[node])
                if found is not None and node in found:
                    found[node] = gradients[node] if self.recorded else Tensor(gradients[node])
                    if useful.isdisjoint(node.edges or ()):
                        del gradients[node]
                        continue  # nothing behind it is asked for; its own graph stays whole
                edges = node.edges
                # The operation gets the only reference to its gradient, and may drop it before it is done.
                if type(node) is OutputNode:
                    self._pass_to_function(node, gradients.pop(node))
                    results = edges = ()
                elif (
                    careful
                    or edges is None
                    or node.frame is not None
                    or node.output_layout is not None
                    or node.products is not None
                ):
                    results = self._compute(node, gradients.pop(node))
                else:
                    results = node.backward_arrays(gradients.pop(node))
                if type(results) is not tuple:
                    results = (results,)
                if len(results) != len(edges):
                    raise GraphError(_wrong_number_message(node, results))
                for edge, result in zip(edges, results):  # noqa: B905 - they are; `strict` would take longer
                    if edge is None or result is None or (useful is not None and edge not in useful):
                        continue
                    if edge in gradients:
                        self._add(edge, result)
                    elif edge.is_node or not deposit_at_once or edge._hooks:
                        gradients[edge] = result
                    else:
                        # In a line of its own, since an argument that waits for the call counts as well.
                        may_keep = edge.grad is None and is_alone(result, IN_RESULTS)
                        edge.accumulate_gradient(result, may_keep)
                results = result = None  # these may be large, and are not to live while the next are computed
            if not retain_graph:
                node.release()

    def _pass_to_function(self, node, gradient):
        """Collects the gradient of one of several outputs for the operation that made them."""
        function = node.function
        if function is None:
            raise GraphError(node.freed_message())
        parts = self.gradients.setdefault(function, [None] * len(function.output_layout))
        parts[node.index] = gradient

    def _compute(self, node, gradient):
        """The gradients of an operation's inputs, in all the cases that are not the ordinary one."""
        if node.edges is None:
            raise GraphError(node.freed_message())
        if node.frame is not None:
            node.frame.restore()
        compute = node.backward if self.recorded else node.backward_arrays
        arguments = (gradient,) if node.output_layout is None else self._filled(node, gradient)
        with nullcontext() if node.products is None else node.products():
            results = compute(*arguments)
        if self.checking:
            anomaly.check_backward(node, results if type(results) is tuple else (results,))
        return results

    def _add(self, edge, gradient):
        """Adds to the gradient that an operation or leaf has already."""
        gradients = self.gradients
        if self.recorded or gradient.nbytes < SMALLEST:
            gradients[edge] = gradients[edge] + gradient
        elif is_alone(gradients[edge], IN_DICTIONARY) and gradients[edge].dtype == gradient.dtype:
            gradients[edge] += gradient
        else:
            gradients[edge] = calculate(np.add, gradients[edge], gradient)

    def _finish_leaves(self, found):
        """Hands out the gradients of the leaves that waited for all their parts."""
        gradients = self.gradients
        for leaf in list(gradients):
            gradient = _as_dtype(gradients.pop(leaf), leaf.data.dtype)
            if leaf._hooks:
                gradient = self._call_hooks(leaf._hooks, gradient)
            if found is not None:
                found[leaf] = gradient if self.recorded else Tensor(gradient)
            elif self.recorded:
                leaf.grad = _unshared(gradient) if leaf.grad is None else leaf.grad + gradient
            else:
                may_keep = is_alone(gradient, IN_VARIABLE)
                leaf.accumulate_gradient(gradient, may_keep)

    def _filled(self, function, parts):
        """The gradient of each output, zeros for outputs that nobody used."""
        filled = []
        for part, (shape, dtype) in zip(parts, function.output_layout, strict=True):
            if part is None:
                part = function.xp.zeros(shape, dtype)
                part = Tensor(part) if self.recorded else part
            filled.append(part)
        return filled

    def _call_hooks(self, hooks, gradient):
        for hook in hooks:
            replacement = hook(gradient if self.recorded else Tensor(gradient))
            if replacement is not None:
                gradient = replacement if self.recorded else replacement.data
        return gradient


def _wrong_number_message(node, gradients):
    return f"{node.operation}: backward gave {len(gradients)} gradients for {len(node.edges)} inputs"


def _as_dtype(gradient, dtype):
    if gradient.dtype == dtype:
        return gradient
    return gradient.to(dtype) if isinstance(gradient, Tensor) else gradient.astype(dtype)


def _unshared(gradient):
    """The gradient with memory of its own, unless it is part of a graph and will not be added to in place."""
    return gradient if gradient.requires_grad else Tensor(gradient.data.copy())
