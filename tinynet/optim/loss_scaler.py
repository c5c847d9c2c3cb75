"""Loss scaling: keeping gradients in float16 away from zero.

float16 knows no positive number below 6e-8, and many gradients are smaller. Multiplied by the same large
number as the loss they are not; once they have come to the parameters, in float32, they are divided by it.
The largest factor at which nothing overflows is found by trying.
"""

import numpy as np

from tinynet.autograd import versions
from tinynet.backend import array_module, to_numpy
from tinynet.errors import AnomalyError, ArgumentError, CheckpointError
from tinynet.optim.clip import gradient_arrays
from tinynet.optim.optimizer import require_positive

__all__ = ["LossScaler"]

_LARGEST, _SMALLEST = 2.0**24, 2.0**-24


class LossScaler:
    """Multiplies losses, and divides gradients, by a factor that adapts itself.

    For steps whose forward pass ran in ``autocast("float16")``::

        with tn.autocast("float16"):
            loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        scaler.backward(loss)
        if scaler.unscale(optimizer):
            optim.clip_grad_norm(model.parameters(), 1.0)
            optimizer.step()

    A step whose gradients are not all finite is left out: parameters, the optimiser's state and its count of
    steps stay as they are.

    Args:
        scale: the factor at first. Powers of 2 change no digits.
        growth_interval: after how many good steps one after the other the factor is doubled. It is halved
            after each step that is left out.

    Attributes:
        scale: the factor now, from 2⁻²⁴ to 2²⁴.
        good_steps: how many steps were good since the factor last changed.

    Raises:
        ArgumentError: the factor is not from 2⁻²⁴ to 2²⁴, or the interval no integer of at least 1.

    Source: Micikevicius et al., Mixed Precision Training, 2018, section 3.2.
    """

    def __init__(self, scale=2.0**16, growth_interval=2000):
        require_positive("LossScaler", "scale", scale)
        if not _SMALLEST <= scale <= _LARGEST:
            raise ArgumentError(f"LossScaler: scale must lie from 2**-24 to 2**24, not be {scale!r}")
        if isinstance(growth_interval, bool) or not isinstance(growth_interval, int) or growth_interval < 1:
            raise ArgumentError(
                f"LossScaler: growth_interval must be an integer of at least 1, not {growth_interval!r}"
            )
        self.scale = float(scale)
        self.growth_interval = growth_interval
        self.good_steps = 0

    def backward(self, loss):
        """``(loss * scale).backward()``, in float32 for a loss in float16.

        Overflow is no reason for a warning: `unscale` looks for it.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            loss = loss.to(np.float32) if loss.dtype == np.float16 else loss
            (loss * self.scale).backward()

    def unscale(self, optimizer):
        """Divides the gradients of an optimiser's parameters by the factor, then adapts the factor.

        To be called once for each `backward` (or after several whose gradients add up), before gradients are
        clipped. On a GPU the program waits here until the gradients are computed: whether there will be a
        step decides what the optimiser counts, and later steps depend on it. This is the only time that a
        step with loss scaling waits.

        Returns:
            Whether all gradients are finite. If not, they must not be used.

        Raises:
            AnomalyError: they are not, and the factor is as small as can be: overflow is not the reason.
        """
        parameters = [parameter for group in optimizer.groups for parameter in group["params"]]
        is_finite = self._divide(gradient_arrays(parameters))
        if is_finite:
            self._grow()
        else:
            self._shrink()
        return is_finite

    def _divide(self, gradients):
        """Whether what comes out is finite."""
        checks = []
        for gradient in gradients:
            gradient *= 1 / self.scale
            versions.mark_changed(gradient)
            checks.append(array_module(gradient).isfinite(gradient).all())
        return not checks or bool(to_numpy(array_module(gradients[0]).stack(checks)).all())

    def _grow(self):
        self.good_steps += 1
        if self.good_steps == self.growth_interval:
            self.scale = min(self.scale * 2, _LARGEST)
            self.good_steps = 0

    def _shrink(self):
        if self.scale / 2 < _SMALLEST:
            raise AnomalyError(
                "LossScaler: the gradients are not finite, although the loss is multiplied by only "
                f"{self.scale}; find the operation with detect_anomaly()"
            )
        self.scale /= 2
        self.good_steps = 0

    def state_dict(self):
        """What changes in training, as a dictionary that JSON can hold."""
        return {"scale": self.scale, "good_steps": self.good_steps}

    def load_state_dict(self, state):
        """Continues from a state given by `state_dict`.

        Raises:
            CheckpointError: the state is none of a loss scaler; nothing has changed then.
        """
        if not isinstance(state, dict) or state.keys() != self.state_dict().keys():
            raise CheckpointError(f"LossScaler: the state should hold scale, good_steps; it is {state!r:.80}")
        scale, steps = state["scale"], state["good_steps"]
        if type(scale) is not float or not _SMALLEST <= scale <= _LARGEST:
            raise CheckpointError(f"LossScaler: scale should be from 2**-24 to 2**24, not {scale!r:.80}")
        if type(steps) is not int or steps < 0:
            raise CheckpointError(f"LossScaler: good_steps should be a number of steps, not {steps!r:.80}")
        self.scale, self.good_steps = scale, steps
