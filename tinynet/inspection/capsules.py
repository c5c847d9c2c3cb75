"""Looking into capsules: how lower ones were routed, and what the numbers of one stand for."""

import numpy as np

from tinynet.autograd import as_tensor, no_grad
from tinynet.errors import ArgumentError
from tinynet.functional.capsules import composed_route
from tinynet.nn import RoutedCapsules
from tinynet.nn.trial_run import undisturbed
from tinynet.training.batches import Placement

__all__ = ["STEPS", "capsule_sweep", "reconstructions", "routing_coefficients"]

STEPS = tuple(np.linspace(-0.25, 0.25, 11).tolist())  # as in figure 4 of the paper


def routing_coefficients(model, x):
    """How much of each lower capsule went to each upper one, in every iteration of the routing.

    Args:
        model: a module that holds one `RoutedCapsules`.
        x: inputs (N, ...), converted as `Trainer.predict` converts them.

    Returns:
        A NumPy array (iterations, N, lower capsules, upper capsules), whose last axis sums to 1.

    Raises:
        ArgumentError: the model holds no or several `RoutedCapsules`, or doesn't call it once.

    Sabour, Frosst & Hinton, "Dynamic routing between capsules", 2017, procedure 1: c.
    """
    layers = [module for module in model.modules() if isinstance(module, RoutedCapsules)]
    if len(layers) != 1:
        found = f"{len(layers)}" if layers else "no"
        raise ArgumentError(
            f"routing_coefficients: {type(model).__name__} has {found} RoutedCapsules, but one is needed"
        )
    given = []
    remove = layers[0].register_forward_hook(lambda _module, inputs, _output: given.append(inputs[0]))
    try:
        with undisturbed(model), no_grad():
            model.eval()
            model(Placement(model)((x,))[0])
    finally:
        remove()
    if len(given) != 1:
        raise ArgumentError(
            f"routing_coefficients: {type(model).__name__} should call its RoutedCapsules once, not "
            f"{len(given)} times"
        )
    with no_grad():
        _, coefficients = composed_route(given[0], layers[0].weight, layers[0].iterations)
    return coefficients.numpy()


def capsule_sweep(model, image, label=None, steps=STEPS):
    """An image drawn again and again, while one number after the other of its capsule is changed a little.

    Args:
        model: a `CapsNet`.
        image: (H, W, C), converted as `Trainer.predict` converts inputs.
        label: the class whose capsule is changed; that of the longest if None.
        steps: what is added to a number of the capsule.

    Returns:
        A NumPy array (numbers of a capsule, steps, H, W, C).
    """
    with undisturbed(model), no_grad():
        model.eval()
        (x,) = Placement(model)((np.asarray(image)[np.newaxis],))
        capsules = model.capsules(x).numpy()
        if label is None:
            label = int(np.square(capsules).sum(axis=-1).argmax())
        size = capsules.shape[-1]
        changed = np.repeat(capsules, size * len(steps), axis=0)
        changes = np.eye(size)[:, np.newaxis] * np.asarray(steps)[:, np.newaxis]
        changed[:, label] += changes.reshape(-1, size).astype(capsules.dtype)
        labels = np.full(len(changed), label)
        changed, labels = (as_tensor(array, device=x.device) for array in (changed, labels))
        drawn = model.reconstruct(changed, labels).numpy()
    return drawn.reshape(size, len(steps), *drawn.shape[1:])


def reconstructions(model, images, labels=None, batch_size=256):
    """What the decoder draws from the capsules of images.

    Args:
        model: a `CapsNet`.
        images: (N, H, W, C), converted as `Trainer.predict` converts inputs.
        labels: (N,), the classes whose capsules are drawn; the longest ones if None.
        batch_size: how many images go through the model at once.

    Returns:
        A NumPy array (N, H, W, C).
    """
    place = Placement(model)
    drawn = [np.empty((0, *model.input_shape), place.dtype)]
    with undisturbed(model), no_grad():
        model.eval()
        for start in range(0, len(images), batch_size):
            batch = slice(start, start + batch_size)
            (x,) = place((np.asarray(images[batch]),))
            chosen = None if labels is None else as_tensor(np.asarray(labels[batch]), device=x.device)
            drawn.append(model.reconstruct(model.capsules(x), chosen).numpy())
    return np.concatenate(drawn)
