"""What of a model is computed in one operation: found out by running it once."""

from collections.abc import Iterator
from dataclasses import dataclass

from tinynet.autograd import enable_grad, no_grad
from tinynet.nn.chaining import fusion
from tinynet.nn.module import Module
from tinynet.nn.trial_run import undisturbed, zeros_for

__all__ = ["FusedGroup", "FusionPlan", "plan_fusion"]


@dataclass(frozen=True, slots=True)
class FusedGroup:
    """Modules (or functions) that are computed in one operation.

    Attributes:
        names: the path of each in the model; of a function its name.
        types: the class of each; of a function its name.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]

    def __str__(self):
        return f"{' + '.join(self.names)}: {' + '.join(self.types)}"


@dataclass(frozen=True, slots=True)
class FusionPlan:
    """The groups of a model in the order in which they were called. Printed as one line for each."""

    model: str
    groups: tuple[FusedGroup, ...]

    def __iter__(self) -> Iterator[FusedGroup]:
        return iter(self.groups)

    def __len__(self):
        return len(self.groups)

    def __str__(self):
        return "\n".join([self.model, *[f"  {group}" for group in self.groups or ["nothing is fused"]]])


def plan_fusion(model, input_shape, training=False, dtype=None, batch_size=2):
    """Runs a model once on zeros and tells what of it was computed together; see `nn.chain`.

    Afterwards the model is as it was before, as after `summarize`.

    Args:
        model: a module.
        input_shape: the shape of one sample, or a list of shapes for a model of several inputs.
        training: whether to run it as in training, where batch norm is not part of a convolution.
        dtype: of the zeros; that of the model's parameters if None.
        batch_size: how many samples; for few of them it may not pay to fold a batch norm into a convolution
            of many weights. In training batch norm needs two.

    Returns:
        A `FusionPlan`.

    Raises:
        ArgumentError: the shape is none.
    """
    names = {id(module): name for name, module in model.named_modules()}
    inputs = zeros_for("plan_fusion", model, input_shape, dtype, batch_size)
    with undisturbed(model), enable_grad() if training else no_grad(), fusion() as groups:
        model.train(training)
        model(*inputs)
    described = [
        FusedGroup(
            tuple([names.get(id(step)) or _name_of(step) for step in group]),
            tuple([_name_of(step) for step in group]),
        )
        for group in groups
    ]
    return FusionPlan(type(model).__name__, tuple(described))


def _name_of(step):
    return type(step).__name__ if isinstance(step, Module) else step.__name__
