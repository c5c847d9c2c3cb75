"""The one-cycle schedule.

Source: Smith & Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates
(2018).
"""

import math
from bisect import bisect_left

from tinynet.errors import ArgumentError
from tinynet.optim.schedules import Schedule, require_steps

__all__ = ["OneCycleLR"]


class OneCycleLR(Schedule):
    """Raises the rate to `max_lr`, then lowers it far below where it began; momentum moves the other way.

    Args:
        optimizer: the optimiser; its present rates are not used.
        max_lr: the highest rate, one number or one for each parameter group.
        total_steps: the length of the cycle in steps. The last rate is reached at step
            ``total_steps - 1``, so that as many optimiser steps see the cycle, and then stays; more steps
            than `total_steps` are an error.
        pct_start: the part of the cycle in which the rate rises, between 0 and 1.
        anneal_strategy: ``"cos"`` or ``"linear"``, the form of rise and fall.
        cycle_momentum: whether to move ``momentum`` (or the first of ``betas``) as well.
        base_momentum: the momentum where the rate is highest.
        max_momentum: the momentum at both ends.
        div_factor: the first rate is ``max_lr / div_factor``.
        final_div_factor: the last rate is ``max_lr / div_factor / final_div_factor``.
        three_phase: fall back to the first rate as slowly as it rose before falling to the last.

    Raises:
        ArgumentError: an argument is out of range, or the optimiser has no momentum to move.
    """

    def __init__(
        self,
        optimizer,
        max_lr,
        total_steps,
        pct_start=0.3,
        anneal_strategy="cos",
        cycle_momentum=True,
        base_momentum=0.85,
        max_momentum=0.95,
        div_factor=25.0,
        final_div_factor=1e4,
        three_phase=False,
    ):
        require_steps("OneCycleLR", "total_steps", total_steps)
        if not 0 <= pct_start <= 1:
            raise ArgumentError(f"OneCycleLR: pct_start must lie between 0 and 1, not be {pct_start}")
        if anneal_strategy not in _ANNEALING:
            known = " or ".join(map(repr, _ANNEALING))
            raise ArgumentError(f"OneCycleLR: anneal_strategy must be {known}, not {anneal_strategy!r}")
        group = optimizer.groups[0]
        if cycle_momentum and not {"momentum", "betas"} & group.keys():
            raise ArgumentError(
                f"OneCycleLR: {type(optimizer).__name__} has no momentum to cycle; pass cycle_momentum=False"
            )
        self.max_rates = _for_each_group(max_lr, len(optimizer.groups))
        self.total_steps = total_steps
        self.anneal = _ANNEALING[anneal_strategy]
        self.cycle_momentum = cycle_momentum
        self.phases = _phases(total_steps, pct_start, three_phase)
        rates = (1 / div_factor, 1.0, 1 / div_factor, 1 / (div_factor * final_div_factor))
        momenta = (max_momentum, base_momentum, max_momentum, max_momentum)
        self.levels = rates if three_phase else (rates[0], rates[1], rates[3])
        self.momentum_levels = momenta if three_phase else momenta[:3]
        super().__init__(optimizer)

    def rate(self, base, index):
        return self.max_rates[index] * self._value(self.levels)

    def apply(self):
        super().apply()
        if not self.cycle_momentum:
            return
        momentum = self._value(self.momentum_levels)
        for group in self.optimizer.groups:
            if "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            else:
                group["momentum"] = momentum

    def step(self):
        """Moves on by one step. Raises ArgumentError beyond the end of the cycle."""
        if self.count >= self.total_steps:
            raise ArgumentError(
                f"OneCycleLR: step {self.count + 1} lies beyond the cycle of total_steps = {self.total_steps}"
            )
        super().step()

    def _value(self, levels):
        """Where a quantity that passes through `levels`, from one to the next in each phase, is now."""
        phase = min(bisect_left(self.phases, self.count), len(self.phases) - 1)
        start, end = (0.0, *self.phases)[phase : phase + 2]
        progress = min((self.count - start) / (end - start), 1.0) if end > start else 1.0
        return self.anneal(levels[phase], levels[phase + 1], progress)


def _phases(total_steps, pct_start, three_phase):
    """The step counts at which the phases end."""
    rise = pct_start * total_steps - 1
    if three_phase:
        return rise, 2 * rise, total_steps - 1
    return rise, total_steps - 1


def _for_each_group(value, groups):
    values = list(value) if isinstance(value, (list, tuple)) else [value] * groups
    if len(values) != groups:
        raise ArgumentError(
            f"OneCycleLR: max_lr has {len(values)} values but the optimiser has {groups} parameter groups"
        )
    return values


def _along_cosine(start, end, progress):
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def _along_line(start, end, progress):
    return start + (end - start) * progress


_ANNEALING = {"cos": _along_cosine, "linear": _along_line}
