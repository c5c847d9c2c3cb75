"""Learning-rate schedules: the rate of every parameter group as a function of the number of steps taken.

A schedule sets the rates of its optimiser when it is made (for step 0) and after each `Schedule.step`. A
step is whatever the caller counts: epochs or batches. The values are those of the schedules of the same
name in PyTorch, but each is computed from the step count alone, so that a schedule that was restored goes
on exactly as it would have done.
"""

import math
from bisect import bisect_right

from tinynet.errors import ArgumentError, CheckpointError

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearWarmup",
    "MultiStepLR",
    "Schedule",
    "StepLR",
]


class Schedule:
    """Base of all schedules. A subclass gives `rate`, and sets its attributes before ``super().__init__``.

    Args:
        optimizer: whose groups' ``lr`` is set; their present values are the base rates.

    Attributes:
        base_rates: the rate of each group before the schedule touched it.
        count: how many steps were taken.
    """

    def __init__(self, optimizer):
        self.optimizer = optimizer
        self.base_rates = [float(group["lr"]) for group in optimizer.groups]
        self.count = 0
        self.apply()

    def rate(self, base, index):
        """The rate now, after ``self.count`` steps, of group number `index` whose base rate is `base`."""
        raise NotImplementedError(f"{type(self).__name__}: rate is not defined")

    def apply(self):
        """Writes the rates of the present step into the optimiser's groups."""
        groups = self.optimizer.groups
        if len(groups) != len(self.base_rates):
            raise ArgumentError(
                f"{type(self).__name__}: the optimiser had {len(self.base_rates)} parameter groups when the "
                f"schedule was made and has {len(groups)} now; add groups first"
            )
        for index, (group, base) in enumerate(zip(groups, self.base_rates, strict=True)):
            group["lr"] = self.rate(base, index)

    def step(self):
        """Moves on by one step."""
        self.count += 1
        self.apply()

    def state_dict(self):
        """What changes in training, as a dictionary that JSON can hold."""
        return {"base_rates": list(self.base_rates), "count": self.count}

    def load_state_dict(self, state):
        """Continues from a state given by `state_dict`; sets the optimiser's rates.

        Raises:
            CheckpointError: the state is of another kind of schedule or of another number of groups. The
                schedule is then unchanged.
        """
        self._check_state(state)
        self._restore(state)
        self.apply()

    def _restore(self, state):
        self.base_rates = list(state["base_rates"])
        self.count = state["count"]

    def _check_state(self, state):
        name = type(self).__name__
        expected = self.state_dict()
        if not isinstance(state, dict) or state.keys() != expected.keys():
            raise CheckpointError(f"{name}: the state should hold {', '.join(expected)}; it is {state!r:.80}")
        self._check_rates("base_rates", state)
        self._check_count("count", state)

    def _check_count(self, key, state):
        if type(state[key]) is not int or state[key] < 0:
            raise CheckpointError(
                f"{type(self).__name__}: {key} should be a number of steps, not {state[key]!r:.80}"
            )

    def _check_rates(self, key, state):
        rates, groups = state[key], len(self.optimizer.groups)
        is_list = isinstance(rates, list) and all(type(rate) in (int, float) for rate in rates)
        if not is_list or len(rates) != groups:
            raise CheckpointError(
                f"{type(self).__name__}: {key} should be {groups} numbers, one for each parameter group of "
                f"the optimiser, not {rates!r:.80}"
            )


class StepLR(Schedule):
    """Multiplies the rate by `gamma` every `step_size` steps: ``base * gamma ** (count // step_size)``."""

    def __init__(self, optimizer, step_size, gamma=0.1):
        require_steps("StepLR", "step_size", step_size)
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, base, index):
        return base * self.gamma ** (self.count // self.step_size)


class MultiStepLR(Schedule):
    """Multiplies the rate by `gamma` at each of `milestones`, which are step counts in any order."""

    def __init__(self, optimizer, milestones, gamma=0.1):
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, base, index):
        return base * self.gamma ** bisect_right(self.milestones, self.count)


class ExponentialLR(Schedule):
    """Multiplies the rate by `gamma` at every step: ``base * gamma ** count``."""

    def __init__(self, optimizer, gamma):
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, base, index):
        return base * self.gamma**self.count


class CosineAnnealingLR(Schedule):
    """Lowers the rate along half a cosine from its base to `eta_min` in `T_max` steps, then up again.

    ``eta_min + (base - eta_min) * (1 + cos(pi * count / T_max)) / 2``

    Source: Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017), without the
    restarts.
    """

    def __init__(self, optimizer, T_max, eta_min=0.0):
        require_steps("CosineAnnealingLR", "T_max", T_max)
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer)

    def rate(self, base, index):
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * self.count / self.T_max)) / 2


class LambdaLR(Schedule):
    """Multiplies the base rate by ``lr_lambda(count)``; `lr_lambda` is a function or one for each group."""

    def __init__(self, optimizer, lr_lambda):
        groups = len(optimizer.groups)
        self.functions = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(self.functions) != groups:
            raise ArgumentError(
                f"LambdaLR: lr_lambda has {len(self.functions)} functions but the optimiser has {groups} "
                "parameter groups"
            )
        super().__init__(optimizer)

    def rate(self, base, index):
        return base * self.functions[index](self.count)


class LinearWarmup(Schedule):
    """Raises the rate in equal steps from ``start_factor * base`` to its base in `steps` steps.

    After that the rate stays, or follows another schedule, which then is at its own step 0::

        schedule = LinearWarmup(optimizer, 5, then=CosineAnnealingLR(optimizer, 95))

    Args:
        optimizer: the optimiser; that of `then` where one is given.
        steps: how many steps the warm-up takes.
        start_factor: the factor of the base rate at step 0.
        then: the schedule that follows, made for the same optimiser and not stepped by the caller.
    """

    def __init__(self, optimizer, steps, start_factor=1 / 3, then=None):
        require_steps("LinearWarmup", "steps", steps)
        if then is not None and then.optimizer is not optimizer:
            raise ArgumentError("LinearWarmup: then is the schedule of another optimiser")
        self.steps = steps
        self.start_factor = start_factor
        self.then = then
        if then is not None:
            for group, base in zip(optimizer.groups, then.base_rates, strict=True):
                group["lr"] = base
        super().__init__(optimizer)

    def rate(self, base, index):
        progress = min(self.count, self.steps) / self.steps
        return base * (self.start_factor + (1 - self.start_factor) * progress)

    def apply(self):
        if self.then is None or self.count < self.steps:
            super().apply()
        else:
            self.then.apply()

    def step(self, *measured):
        """Moves on by one step; the schedule that follows is given `measured` once it has begun."""
        self.count += 1
        if self.then is not None and self.count > self.steps:
            self.then.step(*measured)
        else:
            self.apply()

    def state_dict(self):
        return {**super().state_dict(), "then": None if self.then is None else self.then.state_dict()}

    def _check_state(self, state):
        super()._check_state(state)
        if (self.then is None) != (state["then"] is None):
            raise CheckpointError("LinearWarmup: state and schedule differ in whether another one follows")
        if self.then is not None:
            self.then._check_state(state["then"])

    def _restore(self, state):
        super()._restore(state)
        if self.then is not None:
            self.then._restore(state["then"])


def require_steps(schedule, argument, value):
    """Raises ArgumentError unless `value` is a number of steps, 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArgumentError(f"{schedule}: {argument} must be an integer of at least 1, not {value!r}")
