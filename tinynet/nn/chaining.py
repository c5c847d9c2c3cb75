"""Calling modules one after the other, and computing together those of them that can be.

A ReLU behind a convolution costs nothing when it is applied while the convolution writes its output, but a
pass over memory forward and another one backward when it is a step of its own. `Sequential` and `chain`
therefore look one step ahead:

    conv ─ batch norm ─ ReLU      training:    conv, batch norm + ReLU
                                  inference:   conv + batch norm + ReLU

Who takes part says so at its ``forward``, by the decorators `absorbs` and `absorbed_as`. A subclass with a
forward of its own doesn't inherit them, so it is called as it is written; so is every module with hooks,
since a hook must see what goes in and what comes out. Nothing is planned ahead or stored: the steps are
looked at in every call, and what was replaced, hooked or switched to inference since is seen.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from tinynet import functional as F
from tinynet.nn.folding import folding_pays
from tinynet.nn.module import Module

__all__ = ["chain", "fusion"]


class _Setting(NamedTuple):
    enabled: bool
    groups: list | None  # what was computed together, if somebody wants to know


_ON = _Setting(True, None)
_setting = ContextVar("fusion", default=_ON)


def absorbs(*kinds):
    """Marks a ``forward`` that computes a following step too, given to it as an option.

    Kinds: the activations ``"relu"`` and ``"relu6"``, with the option ``activation``, which is given the
    name; and ``"batch norm"``, with the option ``batch_norm``, a batch norm layer in inference.
    """

    def mark(forward):
        forward.absorbs = frozenset(kinds)
        return forward

    return mark


def absorbed_as(kind):
    """Marks a ``forward`` that a step before it may compute too; `kind` is one of those of `absorbs`."""

    def mark(forward):
        forward.absorbed_as = kind
        return forward

    return mark


@contextmanager
def fusion(enabled=True):
    """Switches the fusion of neighbouring modules on or off in a ``with`` block, and tells what was fused.

    Holds for the current thread. Gives a list, to which every group of modules (or functions) that is
    computed in one operation inside the block is added as a tuple::

        with nn.fusion() as groups:
            model(x)
        print(groups)  # [(Conv2d(1, 32, ...), ReLU()), ...]
    """
    groups = []
    token = _setting.set(_Setting(bool(enabled), groups))
    try:
        yield groups
    finally:
        _setting.reset(token)


def chain(x, *steps):
    """Sends x through modules and functions in turn; ``chain(x, f, g)`` is ``g(f(x))``.

    A convolution, batch norm or dense layer followed by `nn.ReLU` or `functional.relu` is computed in one
    operation, as `Sequential` does it; so is a batch norm followed by `nn.ReLU6` or `functional.relu6`.
    """
    setting = _setting.get()
    if not setting.enabled:
        for step in steps:
            x = step(x)
        return x
    place, count = 0, len(steps)
    while place < count:
        step = steps[place]
        options, end = {}, place + 1
        if end < count:
            absorbable = mark_of(step, "absorbs")
            if absorbable:
                options, end = _absorbed(x, steps, place, absorbable)
        x = step(x, **options)
        if options and setting.groups is not None:
            setting.groups.append(tuple(steps[place:end]))
        place = end
    return x


def _absorbed(x, steps, place, absorbable):
    """The options by which a step computes those behind it too, and the place of the first that is left."""
    options = {}
    end = place + 1
    if "batch norm" in absorbable and mark_of(steps[end], "absorbed_as") == "batch norm":
        if not folding_pays(steps[place], steps[end], x):
            return options, end
        options["batch_norm"] = steps[end]
        end += 1
    if end < len(steps):
        activation = _activation(steps[end])
        if activation in absorbable:
            options["activation"] = activation
            end += 1
    return options, end


def _activation(step):
    """The name of the activation that a step is, if a step before it may compute it, or None."""
    if step is F.relu:
        return "relu"
    if step is F.relu6:
        return "relu6"
    kind = mark_of(step, "absorbed_as")
    return kind if kind != "batch norm" else None


def mark_of(step, name):
    """What the forward of a module is marked with, if calling the module is nothing but its forward."""
    if (
        isinstance(step, Module)
        and not step._forward_hooks
        and not step._forward_pre_hooks
        and type(step).__call__ is Module.__call__
    ):
        return getattr(step.forward, name, None)
    return None
