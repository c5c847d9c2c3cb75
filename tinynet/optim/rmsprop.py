"""RMSprop."""

from tinynet.errors import ArgumentError
from tinynet.optim.optimizer import Optimizer, require_at_least, require_positive
from tinynet_kernels import optimizer as kernels

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Gradient descent that divides by a running root mean square of the gradient.

    ``s = alpha * s + (1 - alpha) * g²`` and ``p -= lr * g / (sqrt(s) + epsilon)``. With momentum,
    ``v = momentum * v + g / (sqrt(s) + epsilon)`` and ``p -= lr * v``. Centered: with
    ``a = alpha * a + (1 - alpha) * g`` the root is of ``s - a²``.

    Args:
        parameters: parameters or groups of them, see `Optimizer`.
        lr: the learning rate.
        alpha: how much of the mean square is kept from step to step.
        epsilon: keeps the division from growing without bounds.
        weight_decay: this times the parameter is added to its gradient.
        momentum: how much of the velocity is kept from step to step.
        centered: whether to divide by the standard deviation instead.

    Sources: Tieleman & Hinton, Lecture 6.5 (2012); Graves, Generating Sequences with Recurrent Neural
    Networks (2013), section 2.3.
    """

    state_names = ("square_average",)
    optional_state_names = ("velocity", "gradient_average")

    def __init__(
        self, parameters, lr=1e-2, alpha=0.99, epsilon=1e-8, weight_decay=0.0, momentum=0.0, centered=False
    ):
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "epsilon": epsilon,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
        }
        super().__init__(parameters, defaults)

    def check(self, options):
        for option in ("lr", "momentum", "weight_decay"):
            require_at_least("RMSprop", option, options[option], 0)
        require_positive("RMSprop", "epsilon", options["epsilon"])
        if not 0 <= options["alpha"] <= 1:
            raise ArgumentError(f"RMSprop: alpha must lie between 0 and 1, not be {options['alpha']!r}")

    def update(self, run, step, group):
        kernels.rmsprop(
            run.data,
            run.gradient,
            self.state.array(run, "square_average"),
            self.state.array(run, "velocity") if group["momentum"] else None,
            self.state.array(run, "gradient_average") if group["centered"] else None,
            group["lr"],
            group["alpha"],
            group["epsilon"],
            group["momentum"],
            group["weight_decay"],
        )
