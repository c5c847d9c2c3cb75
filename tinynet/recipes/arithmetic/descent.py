"""The loop that all these trainings have in common, and how arrays get to where the networks are."""

import tinynet as tn
from tinynet import optim

__all__ = ["descend", "on_device"]


def on_device(array):
    """An array of NumPy as a tensor on the default device, on which the networks are made."""
    return tn.as_tensor(array, device=tn.default_device())


def descend(optimizer, steps, draw_loss, largest_norm=None):
    """Makes so many steps; the rate stays for the first half of them and then falls to nothing.

    Args:
        optimizer: any of `tinynet.optim`.
        steps: how many.
        draw_loss: ``draw_loss(step)`` draws a batch and gives its loss, a tensor of one element; the step
            counts from 0.
        largest_norm: longer gradients are shortened to this norm; None leaves them as they are.
    """
    schedule = optim.LambdaLR(optimizer, lambda step: min(1.0, 2 * (1 - step / steps)))
    parameters = [parameter for group in optimizer.groups for parameter in group["params"]]
    for step in range(steps):
        loss = draw_loss(step)
        optimizer.zero_grad()
        loss.backward()
        if largest_norm is not None:
            optim.clip_grad_norm(parameters, largest_norm)
        optimizer.step()
        schedule.step()
