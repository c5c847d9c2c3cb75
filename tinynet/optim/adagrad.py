"""Adagrad."""

from tinynet.optim.optimizer import Optimizer, require_at_least, require_positive
from tinynet_kernels import optimizer as kernels

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Gradient descent that divides by the root of the sum of all squared gradients so far.

    ``s = s + g²`` and, at step t counted from 1,
    ``p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + epsilon)``.

    Args:
        parameters: parameters or groups of them, see `Optimizer`.
        lr: the learning rate.
        lr_decay: how fast the learning rate falls.
        weight_decay: this times the parameter is added to its gradient.
        initial_accumulator_value: the sum s before the first step.
        epsilon: keeps the division from growing without bounds.

    Source: Duchi, Hazan & Singer, Adaptive Subgradient Methods (2011), diagonal case.
    """

    state_names = ("square_sum",)

    def __init__(
        self,
        parameters,
        lr=1e-2,
        lr_decay=0.0,
        weight_decay=0.0,
        initial_accumulator_value=0.0,
        epsilon=1e-10,
    ):
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "epsilon": epsilon,
        }
        super().__init__(parameters, defaults)

    def check(self, options):
        for option in ("lr", "lr_decay", "weight_decay", "initial_accumulator_value"):
            require_at_least("Adagrad", option, options[option], 0)
        require_positive("Adagrad", "epsilon", options["epsilon"])

    def update(self, run, step, group):
        square_sum = self.state.array(run, "square_sum")
        if step == 1:
            square_sum.fill(group["initial_accumulator_value"])
        rate = group["lr"] / (1 + (step - 1) * group["lr_decay"])
        kernels.adagrad(run.data, run.gradient, square_sum, rate, group["epsilon"], group["weight_decay"])
