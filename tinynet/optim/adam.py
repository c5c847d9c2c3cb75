"""Adam and AdamW."""

from tinynet.errors import ArgumentError
from tinynet.optim.optimizer import Optimizer, require_at_least, require_positive
from tinynet_kernels import optimizer as kernels

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Gradient descent with a step for each parameter that its own gradients set the scale of.

    ``m = beta1 * m + (1 - beta1) * g`` and ``v = beta2 * v + (1 - beta2) * g²``; at step t, counted from 1,
    ``p -= lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)``.

    Args:
        parameters: parameters or groups of them, see `Optimizer`.
        lr: the learning rate.
        betas: beta1 and beta2, how much of m and v is kept from step to step.
        epsilon: keeps the division from growing without bounds.
        weight_decay: this times the parameter is added to its gradient.

    Source: Kingma & Ba, Adam: A Method for Stochastic Optimization (2015), Algorithm 1.
    """

    state_names = ("first_moment", "second_moment")
    decoupled = False

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), epsilon=1e-8, weight_decay=0.0):
        defaults = {"lr": lr, "betas": tuple(betas), "epsilon": epsilon, "weight_decay": weight_decay}
        super().__init__(parameters, defaults)

    def check(self, options):
        for option in ("lr", "weight_decay"):
            require_at_least(self._name, option, options[option], 0)
        require_positive(self._name, "epsilon", options["epsilon"])
        betas = options["betas"]
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ArgumentError(
                f"{self._name}: betas must be two numbers of at least 0 and less than 1, not {betas!r}"
            )

    def update(self, run, step, group):
        kernels.adam(
            run.data,
            run.gradient,
            self.state.array(run, "first_moment"),
            self.state.array(run, "second_moment"),
            step,
            group["lr"],
            *group["betas"],
            group["epsilon"],
            group["weight_decay"],
            self.decoupled,
        )


class AdamW(Adam):
    """Adam whose weight decay does not pass through the moments: first ``p -= lr * weight_decay * p``.

    Args:
        parameters: parameters or groups of them, see `Optimizer`.
        lr: the learning rate.
        betas: beta1 and beta2, how much of the moments is kept from step to step.
        epsilon: keeps the division from growing without bounds.
        weight_decay: the part of a parameter that is taken off at every step, before the factor `lr`.

    Source: Loshchilov & Hutter, Decoupled Weight Decay Regularization (2019), Algorithm 2.
    """

    decoupled = True

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), epsilon=1e-8, weight_decay=1e-2):
        super().__init__(parameters, lr, betas, epsilon, weight_decay)
