"""Freezing the first layers of a network, running statistics included."""

from tinynet.models.registry import find

__all__ = ["freeze", "unfreeze"]


def freeze(model, until=None):
    """Stops a model, or its layers up to one of them, from learning. What was frozen before is unfrozen.

    Frozen parameters get no gradient and don't move, and where all layers from the first one on are frozen
    nothing is recorded for the backward pass. Frozen layers behave as in inference, also in training: their
    batch norms use and keep the running statistics, their dropout lets everything through. So they give
    the same features for the same input always. That holds whenever `model` is called; a frozen layer that
    is called by itself is in the mode that ``train()`` or ``eval()`` put it in.

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
    frozen = _up_to(named, until or "")
    for module in frozen:
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)
            parameter.grad = None
    inner = [module for module in frozen if module is not model]
    model.register_forward_pre_hook(_KeepInference(inner, whole=until is None or until == ""))
    return model


def unfreeze(model):
    """Lets all parameters learn again and all layers follow ``train()``. Returns the model.

    Layers that `freeze` put into inference are in the mode of the model from now on.
    """
    for hook in list(model._forward_pre_hooks):
        if isinstance(hook, _KeepInference):
            model._forward_pre_hooks.remove(hook)
            hook.release(model)
    return model.unfreeze()


class _KeepInference:
    """The hook of a partly frozen model that puts the frozen layers into inference before each forward.

    ``model.train()`` puts every layer into training, whenever somebody calls it; a hook at the model
    itself comes after that. Hooks at the layers would keep them from being computed together.
    """

    def __init__(self, modules, whole):
        self.modules = modules
        self.whole = whole

    def __call__(self, model, _inputs):
        for module in self.modules:
            module.training = False
        if self.whole:
            model.training = False

    def release(self, model):
        for module in self.modules:
            module.training = model.training


def _up_to(named, last):
    """The modules from the first one to the last, which may hold others, without those that hold it."""
    if last == "":
        return list(named.values())
    names = list(named)
    place = names.index(last)
    inside = [name for name in names[place:] if name == last or name.startswith(f"{last}.")]
    holders = {last[:end] for end in range(len(last)) if last[end] == "."} | {""}
    return [named[name] for name in names[:place] if name not in holders] + [named[name] for name in inside]
