"""A copy of a model for inference, in which the convolutions do the work of the batch norms behind them."""

import copy
from itertools import pairwise

from tinynet.autograd import no_grad
from tinynet.nn.activations import Identity
from tinynet.nn.chaining import mark_of
from tinynet.nn.containers import Sequential
from tinynet.nn.folding import can_fold, folded
from tinynet.nn.parameter import Parameter

__all__ = ["fold_batch_norm"]


def fold_batch_norm(model):
    """A copy of the model in inference mode, with every batch norm that can be folded into a convolution.

    Folded are batch norms that come right after a convolution in a `Sequential`; in the copy an `Identity`
    stands in their place, and the convolution has a bias. Left alone are modules with hooks, modules and
    parameters used in several places, and subclasses with a forward of their own. `Sequential` folds by
    itself in inference, anew in each call; a folded copy is for inference alone and saves that, too.

    Args:
        model: any module. It is not changed.

    Returns:
        The copy, which gives the same outputs up to rounding.
    """
    model = copy.deepcopy(model).eval()
    uses = _uses(model)
    for module in list(model.modules()):
        if isinstance(module, Sequential):
            _fold_neighbours(module, uses)
    return model


def _fold_neighbours(sequence, uses):
    children = list(sequence.named_children())
    for (_, convolution), (name, batch_norm) in pairwise(children):
        if (
            "batch norm" in (mark_of(convolution, "absorbs") or ())
            and mark_of(batch_norm, "absorbed_as") == "batch norm"
            and can_fold(convolution, batch_norm)
            and not any(uses[id(part)] > 1 for part in _parts(convolution, batch_norm))
        ):
            _absorb(convolution, batch_norm)
            setattr(sequence, name, Identity())


def _absorb(convolution, batch_norm):
    with no_grad():
        weight, bias = folded(convolution.weight, convolution.bias, batch_norm)
    trainable = convolution.weight.requires_grad
    convolution.weight = Parameter(weight.data, trainable)
    convolution.bias = Parameter(bias.data, trainable)


def _parts(*modules):
    """The modules and their parameters."""
    for module in modules:
        yield module
        yield from module.parameters()


def _uses(model):
    """In how many places of the model each module and each parameter is found, by their id."""
    found = [model]
    for module in model.modules():
        found += module.children()
        found += [value for value in vars(module).values() if isinstance(value, Parameter)]
    uses = {}
    for part in found:
        uses[id(part)] = uses.get(id(part), 0) + 1
    return uses
