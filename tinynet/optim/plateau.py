"""Lowering the learning rate when a measured figure stops improving."""

import math

from tinynet.errors import ArgumentError, CheckpointError
from tinynet.optim.schedules import Schedule

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(Schedule):
    """Multiplies the rate by `factor` after more than `patience` steps in a row without improvement.

    Args:
        optimizer: the optimiser.
        mode: ``"min"`` when smaller is better (a loss), ``"max"`` when larger is (an accuracy).
        factor: less than 1.
        patience: how many steps without improvement are borne.
        threshold: how much better counts as an improvement.
        threshold_mode: ``"rel"``: better by the fraction `threshold` of the best; ``"abs"``: by `threshold`.
        cooldown: how many steps after a reduction are not counted.
        min_lr: the rate never falls below this, one number or one for each parameter group.
        epsilon: a reduction by no more than this is not made.

    Attributes:
        best: the best figure so far, None before the first.
    """

    def __init__(
        self,
        optimizer,
        mode="min",
        factor=0.1,
        patience=10,
        threshold=1e-4,
        threshold_mode="rel",
        cooldown=0,
        min_lr=0.0,
        epsilon=1e-8,
    ):
        if mode not in ("min", "max"):
            raise ArgumentError(f"ReduceLROnPlateau: mode must be 'min' or 'max', not {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ArgumentError(
                f"ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', not {threshold_mode!r}"
            )
        if not 0 <= factor < 1:
            raise ArgumentError(f"ReduceLROnPlateau: factor must be at least 0 and less than 1, not {factor}")
        groups = len(optimizer.groups)
        self.min_rates = list(min_lr) if isinstance(min_lr, (list, tuple)) else [min_lr] * groups
        if len(self.min_rates) != groups:
            raise ArgumentError(
                f"ReduceLROnPlateau: min_lr has {len(self.min_rates)} values but the optimiser has {groups} "
                "parameter groups"
            )
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.epsilon = epsilon
        self.best = None
        self.bad_steps = 0
        self.cooldown_left = 0
        self.rates = [float(group["lr"]) for group in optimizer.groups]
        super().__init__(optimizer)

    def rate(self, base, index):
        return self.rates[index]

    def step(self, measured):
        """Takes note of the figure `measured` in this step and lowers the rates when it is time to."""
        measured = float(measured)
        self.count += 1
        if self._is_better(measured):
            self.best = measured
            self.bad_steps = 0
        else:
            self.bad_steps += 1
        if self.cooldown_left:
            self.cooldown_left -= 1
            self.bad_steps = 0
        if self.bad_steps > self.patience:
            self._reduce()
            self.cooldown_left = self.cooldown
            self.bad_steps = 0
        self.apply()

    def _is_better(self, measured):
        if not math.isfinite(measured):
            return False
        if self.best is None:
            return True
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            limit = self.best * (1 + sign * self.threshold)
        else:
            limit = self.best + sign * self.threshold
        return measured < limit if self.mode == "min" else measured > limit

    def _reduce(self):
        for index, (old, lowest) in enumerate(zip(self.rates, self.min_rates, strict=True)):
            new = max(old * self.factor, lowest)
            if old - new > self.epsilon:
                self.rates[index] = new

    def state_dict(self):
        return {
            **super().state_dict(),
            "best": self.best,
            "bad_steps": self.bad_steps,
            "cooldown_left": self.cooldown_left,
            "rates": list(self.rates),
        }

    def _check_state(self, state):
        super()._check_state(state)
        self._check_rates("rates", state)
        self._check_count("bad_steps", state)
        self._check_count("cooldown_left", state)
        if type(state["best"]) not in (int, float, type(None)):
            raise CheckpointError(f"ReduceLROnPlateau: best should be a number, not {state['best']!r:.80}")

    def _restore(self, state):
        super()._restore(state)
        self.best = state["best"]
        self.bad_steps = state["bad_steps"]
        self.cooldown_left = state["cooldown_left"]
        self.rates = list(state["rates"])
