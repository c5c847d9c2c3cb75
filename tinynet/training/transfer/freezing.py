"""Freezing the first layers of a network, running statistics included."""

from tinynet.models.registry import find

__all__ = ["freeze", "unfreeze"]


def freeze(model, until=None):
    """Stops a model, or its layers up to one of them, from learning. What was frozen before is unfrozen.

    Frozen parameters get no gradient and don't move, and where all layers from the first one on are frozen
    nothing is recorded for the backward pass. Frozen layers behave as in inference, also in training: their
    batch norms use and keep the running statistics, their dropout lets everything through, see
    `nn.Module.keep_in_inference`. So they give the same features for the same input always.

    Args:
        model: a module.
        until: the name of the last module that is frozen, with all that it holds, for example
            ``"blocks.10"``. The order is that of ``model.named_modules()``, in which the layers were
            assigned. None freezes the whole model.

    Returns:
        The model.

    Raises:
        UnknownNameError: there is no such module.
    """
    named = dict(model.named_modules())
    if until is not None:
        find(f"layer of {type(model).__name__}", until, named)
    unfreeze(model)
    for module in _up_to(named, until or ""):
        module.freeze().keep_in_inference()
    return model


def unfreeze(model):
    """Lets all parameters learn again and all layers follow ``train()``, from its next call on.

    Returns:
        The model.
    """
    return model.keep_in_inference(False).unfreeze()


def _up_to(named, last):
    """The modules from the first one to the last, which may hold others, without those that hold it."""
    if last == "":
        return list(named.values())
    names = list(named)
    place = names.index(last)
    inside = [name for name in names[place:] if name == last or name.startswith(f"{last}.")]
    holders = {last[:end] for end in range(len(last)) if last[end] == "."} | {""}
    return [named[name] for name in names[:place] if name not in holders] + [named[name] for name in inside]
