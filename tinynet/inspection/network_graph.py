"""The network as a graph of its layers, as a table of boxes and arrows and as DOT text.

The graph is read from the operations that the model records, so residual sums, concatenations and other
functions between the layers are in it, too.
"""

from dataclasses import dataclass

from tinynet.errors import ArgumentError
from tinynet.inspection.tracing import trace
from tinynet.nn.module import Module

__all__ = ["Box", "NetworkGraph", "network_graph"]


@dataclass(frozen=True, slots=True)
class Box:
    """An input, one call of a layer, or a function between layers.

    Attributes:
        name: the layer's dotted name; empty for inputs and functions.
        kind: the layer's class, the name of the function, or "input".
        shape: the output shape of inputs and layers, the batch axis left out; None for functions.
    """

    name: str
    kind: str
    shape: tuple | None

    @property
    def label(self):
        """Name, kind and shape in up to three lines."""
        shape = None if self.shape is None else " × ".join(map(str, self.shape))
        return "\n".join(filter(None, [self.name, self.kind, shape]))


@dataclass(frozen=True, slots=True)
class NetworkGraph:
    """Boxes and the arrows between them.

    Attributes:
        boxes: in the order in which they are computed.
        arrows: pairs of places in `boxes`, from and to, each once.
    """

    boxes: tuple
    arrows: tuple

    def dot(self):
        """The graph in the language of Graphviz, for ``dot -Tsvg``."""
        lines = ["digraph network {", '  node [shape=box, fontname="sans-serif"];']
        for index, box in enumerate(self.boxes):
            rounded = "" if box.name else ", style=rounded"
            label = box.label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            lines.append(f'  {index} [label="{label}"{rounded}];')
        lines += [f"  {start} -> {end};" for start, end in self.arrows]
        return "\n".join([*lines, "}"]) + "\n"


def network_graph(model, input_shape, depth=None):
    """The graph of a model's layers for inputs of a shape.

    Args:
        model: a module; it is run once on zeros in inference mode and is then as it was before.
        input_shape: the shape of one sample, (H, W, C) for instance, or a list of shapes for a model of
            several inputs.
        depth: how many levels of modules inside modules are told apart; 1 has one box for each child of
            the model. None goes down to the layers, the modules that hold no other modules.

    Returns:
        A `NetworkGraph`.

    Raises:
        ArgumentError: the shape is none, `depth` is below 1, or the output does not depend on the inputs.
    """
    if depth is not None and depth < 1:
        raise ArgumentError(f"network_graph: depth should be at least 1, not {depth!r}")
    run = trace("network_graph", model, input_shape, dict(_boxed(model, "", depth)))
    boxes = [Box("", "input", x.shape[1:]) for x in run.inputs]
    owner = {id(x): index for index, x in enumerate(run.inputs)}
    calls = {}
    for number, call in enumerate(run.calls):
        for node in _inside(call):
            calls.setdefault(id(node), number)
    places, arrows = {}, {}
    for node in run.nodes:
        number = calls.get(id(node))
        mine = places.get(number)
        if mine is None:
            mine = len(boxes)
            boxes.append(_box(node, None if number is None else run.calls[number]))
            if number is not None:
                places[number] = mine
        owner[id(node)] = mine
        givers = [owner[id(edge)] for edge in node.edges if id(edge) in owner]
        arrows.update({(giver, mine): None for giver in givers if giver != mine})
    return NetworkGraph(tuple(boxes), tuple(arrows))


def _boxed(module, name, depth):
    """Pairs of name and module for what is drawn as one box."""
    children = list(module.named_children())
    is_called = type(module).forward is not Module.forward  # a ModuleList is not
    if not children or (depth == 0 and is_called):
        yield name, module
        return
    if depth is not None and is_called:
        depth -= 1
    for child_name, child in children:
        yield from _boxed(child, f"{name}.{child_name}" if name else child_name, depth)


def _inside(call):
    """The operations from the outputs of a call back to its inputs."""
    borders = {id(node) for node in call.sources}
    waiting, seen = list(call.results), set()
    while waiting:
        node = waiting.pop()
        if id(node) in borders or id(node) in seen or not node.is_node:
            continue
        seen.add(id(node))
        yield node
        waiting += [edge for edge in node.edges if edge is not None]


def _box(node, call):
    if call is None:
        return Box("", node.operation, None)
    return Box(call.name, type(call.module).__name__, call.shape[1:])
