"""Stochastic gradient descent."""

from tinynet.errors import ArgumentError
from tinynet.optim.optimizer import Optimizer, require_at_least
from tinynet_kernels import optimizer as kernels

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum v where `momentum` is not 0.

    ``v = momentum * v + (1 - dampening) * g`` (at first ``v = g``), then ``p -= lr * v``, or with Nesterov's
    momentum ``p -= lr * (g + momentum * v)``.

    Args:
        parameters: parameters or groups of them, see `Optimizer`.
        lr: the learning rate.
        momentum: how much of the velocity is kept from step to step.
        dampening: how much of the gradient is left out of the velocity.
        nesterov: whether to look ahead along the velocity.
        weight_decay: this times the parameter is added to its gradient.

    Source: Sutskever, Martens, Dahl & Hinton, On the Importance of Initialization and Momentum (2013).
    """

    state_names = ("velocity",)

    def __init__(self, parameters, lr=1e-3, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
        }
        super().__init__(parameters, defaults)

    def check(self, options):
        for option in ("lr", "momentum", "weight_decay"):
            require_at_least("SGD", option, options[option], 0)
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            raise ArgumentError(
                f"SGD: nesterov needs momentum above 0 and no dampening, but momentum is "
                f"{options['momentum']} and dampening {options['dampening']}"
            )

    def counts(self, group):
        return group["momentum"] != 0

    def update(self, run, step, group):
        momentum = group["momentum"]
        kernels.sgd(
            run.data,
            run.gradient,
            self.state.array(run, "velocity") if momentum else None,
            group["lr"],
            momentum,
            group["dampening"],
            group["nesterov"],
            group["weight_decay"],
            first_step=step == 1,
        )
