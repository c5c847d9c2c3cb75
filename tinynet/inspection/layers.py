"""Finding layers by name, and keeping what they put out."""

from contextlib import contextmanager

import numpy as np

from tinynet.autograd import Tensor, no_grad
from tinynet.errors import ArgumentError
from tinynet.models.registry import find
from tinynet.nn.trial_run import undisturbed
from tinynet.training.batches import Placement, as_loader, batches_between

__all__ = ["activations", "layer_outputs", "layers_by_name"]


def activations(model, x, names, batch_size=64):
    """What layers inside a model put out for some inputs; dropout and the like are off.

    Args:
        model: a module; afterwards it is as it was before.
        x: inputs (N, ...): an array or a tensor, converted as `Trainer.predict` converts them.
        names: the dotted names of layers, as in ``model.named_modules()``, for example ``["features.3"]``.
        batch_size: how many samples go through the model at once.

    Returns:
        A dictionary from each name to the output, a NumPy array (N, ...).

    Raises:
        UnknownNameError: there is no such layer.
        ArgumentError: a layer isn't called exactly once in a forward pass, or gives something that is not
            a tensor.
    """
    if isinstance(names, str):
        raise ArgumentError(f"activations: names should be a list of names, not the text {names!r}")
    parts = {name: [] for name in names}
    for outputs in layer_outputs(model, x, parts, batch_size):
        for name, output in outputs.items():
            parts[name].append(output)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def layer_outputs(model, x, names, batch_size=64):
    """The outputs of `activations` batch by batch, so that not all of them need to be in memory."""
    layers = layers_by_name(model, names)
    place = Placement(model)
    loader = as_loader("activations", x, None, batch_size)
    with undisturbed(model), no_grad(), _recorded(layers) as calls:
        model.eval()
        for batch in batches_between(loader, 0, len(loader)):
            calls.clear()
            model(place(batch[:1])[0])
            yield {name: _only_output(name, calls.get(name, [])) for name in layers}


def layers_by_name(model, names):
    """The modules of these names, as a dictionary. Raises UnknownNameError, which proposes a close one."""
    known = dict(model.named_modules())
    return {name: find(f"layer of {type(model).__name__}", name, known) for name in names}


@contextmanager
def _recorded(layers):
    """Gives a dictionary that is filled with the outputs of all calls of each layer."""
    calls = {}

    def recorder(name):
        return lambda module, inputs, output: calls.setdefault(name, []).append(output)

    remove = [layer.register_forward_hook(recorder(name)) for name, layer in layers.items()]
    try:
        yield calls
    finally:
        for undo in remove:
            undo()


def _only_output(name, outputs):
    if len(outputs) != 1:
        raise ArgumentError(f"activations: layer {name!r} was called {len(outputs)} times, not once")
    if not isinstance(outputs[0], Tensor):
        raise ArgumentError(
            f"activations: layer {name!r} gives a {type(outputs[0]).__name__}; name layers inside it instead"
        )
    return outputs[0].numpy()
