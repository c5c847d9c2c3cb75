"""Penalties on the weights, added to the loss."""

from tinynet import functional as F
from tinynet.errors import ArgumentError

__all__ = ["L2Penalty"]


class L2Penalty:
    """``strength · Σ w²`` over chosen parameters, as a ``regularizer`` of the trainer.

    Unlike an optimiser's weight decay it is part of the loss: it shows in the figures, and an adaptive
    optimiser scales it like the rest of the gradient.

    Args:
        strength: the factor λ. Note that other programs may mean λ/2 by the same number.
        names: the parameters' dotted names; None takes all whose last name is ``weight``.

    Raises:
        ArgumentError: on the first call, when a name isn't in the model or nothing is chosen.
    """

    def __init__(self, strength, names=None):
        self.strength = strength
        self.names = None if names is None else tuple(names)

    def __call__(self, model):
        terms = [F.sum(F.square(parameter)) for parameter in self._chosen(model)]
        return sum(terms[1:], terms[0]) * self.strength

    def _chosen(self, model):
        parameters = dict(model.named_parameters())
        if self.names is None:
            chosen = [name for name in parameters if name.rpartition(".")[2] == "weight"]
        else:
            chosen = self.names
        unknown = [name for name in chosen if name not in parameters]
        if unknown or not chosen:
            what = f"the model has no parameter {unknown[0]!r}" if unknown else "no parameter is chosen"
            raise ArgumentError(f"L2Penalty: {what}; it has {', '.join(parameters) or 'none'}")
        return [parameters[name] for name in chosen]
