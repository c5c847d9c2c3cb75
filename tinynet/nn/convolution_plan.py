"""How the convolutions of a model are computed: which kernel method serves which layer, and why."""

from collections.abc import Iterator
from dataclasses import dataclass

from tinynet.autograd import no_grad
from tinynet.nn.trial_run import undisturbed, zeros_for
from tinynet_kernels import conv

__all__ = ["ConvolutionPlan", "PlannedLayer", "explain_plan"]

# A transposed convolution is the input gradient of a convolution, whose forward is then its own gradient.
_TRANSPOSED = {"forward": "input_gradient", "input_gradient": "forward", "weight_gradient": "weight_gradient"}


@dataclass(frozen=True, slots=True)
class PlannedLayer:
    """A layer and the plans of its three operations.

    Attributes:
        name: the path in the model.
        description: the layer as it prints itself.
        input_shape: (N, *spatial, C) of the input that it was asked about.
        plans: a `tinynet_kernels.conv.Plan` for each of ``"forward"``, ``"input_gradient"`` and
            ``"weight_gradient"``.
    """

    name: str
    description: str
    input_shape: tuple[int, ...]
    plans: dict[str, conv.Plan]

    def __str__(self):
        head = f"{self.name}: {self.description} on {self.input_shape}"
        return "\n".join([head, *[f"    {operation:<16} {plan}" for operation, plan in self.plans.items()]])


@dataclass(frozen=True, slots=True)
class ConvolutionPlan:
    """The convolutions of a model in the order in which they were called. Printed as a list."""

    model: str
    layers: tuple[PlannedLayer, ...]

    def __iter__(self) -> Iterator[PlannedLayer]:
        return iter(self.layers)

    def __len__(self):
        return len(self.layers)

    def __str__(self):
        layers = [str(layer).replace("\n", "\n  ") for layer in self.layers]
        return "\n".join([self.model, *[f"  {layer}" for layer in layers or ["there is no convolution"]]])


def explain_plan(model, input_shape, batch_size=1, dtype=None):
    """Tells by which method each convolution of a model is computed, and why.

    The methods are those of `tinynet_kernels.conv.plan` or, where the model is on a GPU,
    `tinynet_kernels.conv.gpu_plan`. They depend on the shapes, the batch size among
    them, and on ``tinynet_kernels.pinned``: inside ``pinned("strict")`` the plan is a strict one. Runs the
    model once on zeros; afterwards the model is as it was before.

    Args:
        model: a module.
        input_shape: the shape of one sample, or a list of shapes for a model of several inputs.
        batch_size: how many samples.
        dtype: of the zeros; that of the model's parameters if None.

    Returns:
        A `ConvolutionPlan`.

    Raises:
        ArgumentError: the shape is none.
    """
    inputs = zeros_for("explain_plan", model, input_shape, dtype, batch_size)
    layers: list[PlannedLayer] = []
    with undisturbed(model), no_grad(), conv.observed_plans() as calls:
        model.eval()
        removals = [
            module.register_forward_hook(_watch(name, calls, layers))
            for name, module in model.named_modules()
            if not any(module.children())
        ]
        try:
            model(*inputs)
        finally:
            for remove in removals:
                remove()
    return ConvolutionPlan(type(model).__name__, tuple(layers))


def _watch(name, calls, layers):
    """A hook that notes a layer whose forward has planned a convolution."""

    def note(layer, inputs, output):
        for operation, *arguments in calls:
            operations = {o: o for o in _TRANSPOSED} if operation == "forward" else _TRANSPOSED
            plans = {shown: conv.plan(planned, *arguments) for shown, planned in operations.items()}
            layers.append(PlannedLayer(name, repr(layer), inputs[0].shape, plans))
            break
        calls.clear()

    return note
