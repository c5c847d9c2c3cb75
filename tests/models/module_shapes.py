"""What shapes the modules of a model give."""

import numpy as np

import tinynet as tn


def output_shapes(model, *names):
    """The output shapes, without the batch axis, of the modules of these names; no image is computed."""
    modules = dict(model.named_modules())
    found = {}

    def note(name):
        def hook(_module, _inputs, output):
            found[name] = output.shape[1:]

        return hook

    removals = [modules[name].register_forward_hook(note(name)) for name in names]
    with tn.no_grad():
        model(tn.tensor(np.zeros((0, *model.input_shape), np.float32)))
    for remove in removals:
        remove()
    return [found[name] for name in names]
