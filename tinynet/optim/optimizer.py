"""`Optimizer`, the base of all optimisers: parameter groups, the step, saving and restoring."""

import math
from functools import partial

import numpy as np

from tinynet.autograd import Tensor, versions
from tinynet.errors import ArgumentError, CheckpointError, DTypeError
from tinynet.nn.parameter import Parameter, flatten
from tinynet.optim.flat_state import FlatState
from tinynet_kernels.cuda.capturing import repeated

__all__ = ["Optimizer"]


class Optimizer:
    """Moves parameters against their gradients. A subclass defines `update`.

    Args:
        parameters: parameters, or leaf tensors, that a model learns; or groups of them, each a dictionary
            with the key ``"params"`` and options that differ from `defaults`::

                optim.SGD([{"params": head}, {"params": body, "lr": 1e-3}], lr=1e-2)

        defaults: the options of every group.

    Attributes:
        groups: the groups, dictionaries with ``"params"`` (a list) and all options. Changing an option
            takes effect at the next step.

    Class attributes:
        state_names: the arrays that are kept for every parameter that was updated.
        optional_state_names: those that some options add.

    Tensors that want no gradient, or that no backward pass has reached since `zero_grad`, are left exactly
    as they are: no weight decay, no momentum.

    Raises:
        ArgumentError: no parameters, one of them twice, one that is not a leaf, or an unknown or
            impossible option.
        DTypeError: something that is no tensor.
    """

    state_names: tuple[str, ...] = ()
    optional_state_names: tuple[str, ...] = ()

    def __init__(self, parameters, defaults):
        self.defaults = defaults
        self.groups = []
        self.state = FlatState()
        if isinstance(parameters, (Tensor, dict)):
            raise DTypeError(
                f"{self._name}: parameters must be a sequence of tensors or of groups, not a single "
                f"{type(parameters).__name__}; put it into a list"
            )
        parameters = list(parameters)
        if not parameters:
            raise ArgumentError(f"{self._name}: there are no parameters to optimise")
        groups = parameters if isinstance(parameters[0], dict) else [{"params": parameters}]
        for group in groups:
            self.add_parameter_group(group)

    @property
    def _name(self):
        return type(self).__name__

    def update(self, run, step, group):
        """Moves the parameters of one run.

        Args:
            run: flat arrays ``data``, to be changed, and ``gradient``; see `tinynet.nn.parameter.Run`.
            step: the number of this update for these parameters, counted from 1.
            group: the options.
        """
        raise NotImplementedError(f"{self._name}: update is not defined")

    def counts(self, group):
        """Whether an update of this group leaves something in the state, and so counts as a step."""
        return True

    def check(self, options):
        """Raises ArgumentError for impossible options."""

    def step(self):
        """Moves every parameter that has a gradient."""
        for group in self.groups:
            for run, _ in self.state.runs(group["params"]):
                repeated(partial(self._move, run, group))

    def _move(self, run, group):
        """Moves the parameters of a run, which have all had equally many updates."""
        step = self.state.updates.get(run.parameters[0], 0) + 1
        self.update(run, step, group)
        if self.counts(group):
            self.state.count(run, step)
        versions.mark_changed(run.data)

    def zero_grad(self):
        """Forgets the gradients of all parameters."""
        for group in self.groups:
            for parameter in group["params"]:
                parameter.grad = None

    def add_parameter_group(self, group):
        """Adds a group, a dictionary with the key ``"params"`` and options that differ from the defaults."""
        if not isinstance(group, dict) or "params" not in group:
            raise ArgumentError(f"{self._name}: a parameter group must be a dictionary with the key 'params'")
        self._check_names(group)
        parameters = group["params"]
        parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
        if not parameters:
            raise ArgumentError(f"{self._name}: parameter group {len(self.groups)} is empty")
        known = {id(parameter) for earlier in self.groups for parameter in earlier["params"]}
        for index, parameter in enumerate(parameters):
            self._check_parameter(index, parameter, known)
            known.add(id(parameter))
        options = {**self.defaults, **group, "params": parameters}
        self.check(options)
        self.groups.append(options)
        # Before any gradient is there, which then goes straight to its place.
        flatten([parameter for parameter in parameters if isinstance(parameter, Parameter)])

    def _check_names(self, group):
        unknown = group.keys() - self.defaults.keys() - {"params"}
        if unknown:
            raise ArgumentError(
                f"{self._name}: unknown option {', '.join(map(repr, sorted(unknown)))} in a parameter group; "
                f"there are {', '.join(self.defaults)}"
            )

    def _check_parameter(self, index, parameter, known):
        where = f"{self._name}: parameter {index} of group {len(self.groups)}"
        if not isinstance(parameter, Tensor):
            raise DTypeError(f"{where} is a {type(parameter).__name__}, not a tensor")
        where = f"{where} (shape {parameter.shape})"
        if not parameter.is_leaf:
            raise ArgumentError(f"{where} is not a leaf: {parameter.node.operation} computed it")
        if parameter.dtype.kind != "f":
            raise DTypeError(f"{where} must hold floating-point numbers, not {parameter.dtype}")
        if id(parameter) in known:
            raise ArgumentError(f"{where} was given before; each may be given only once")

    # Saving and restoring

    def _parameters(self):
        return [parameter for group in self.groups for parameter in group["params"]]

    def state_dict(self):
        """Everything needed to go on bit for bit; parameters are named by their number over all groups.

        Returns:
            A dictionary: ``"optimizer"``, the name of the class; ``"groups"``, the options of each group and
            under ``"params"`` the numbers of its parameters; ``"steps"``, how many updates of each parameter
            the arrays hold; ``"arrays"``, copies on the CPU named like ``"0.first_moment"``, in the shapes of
            the parameters. All but the arrays is made of what JSON can hold.
        """
        numbers = iter(range(len(self._parameters())))
        groups = [
            {**_plain_options(group), "params": [next(numbers) for _ in group["params"]]}
            for group in self.groups
        ]
        arrays = {
            f"{number}.{name}": array
            for number, parameter in enumerate(self._parameters())
            for name, array in self.state.arrays_of(parameter).items()
        }
        steps = [self.state.updates.get(parameter, 0) for parameter in self._parameters()]
        return {"optimizer": self._name, "groups": groups, "steps": steps, "arrays": arrays}

    def load_state_dict(self, state):
        """Continues from a state given by `state_dict`. Everything is checked before anything changes.

        Raises:
            CheckpointError: the state is of another kind of optimiser, or of other groups or parameters.
        """
        problems = self._misfits(state)
        if problems:
            listed = "\n  ".join(problems)
            raise CheckpointError(
                f"{self._name}: the optimiser's state does not fit, nothing was loaded:\n  {listed}"
            )
        kept = [{} for _ in state["steps"]]
        for name, array in state["arrays"].items():
            number, _, what = name.partition(".")
            kept[int(number)][what] = np.asarray(array)
        restored = FlatState()
        restored.restore(self._parameters(), state["steps"], kept)
        self.state = restored
        for group, options in zip(self.groups, state["groups"], strict=True):
            group.update(_options_from_plain(options))

    def _misfits(self, state):
        """What makes the state unfit, in words."""
        kinds = {"optimizer": str, "groups": list, "steps": list, "arrays": dict}
        if kinds.keys() != state.keys():
            return [f"missing or not expected: {', '.join(sorted(kinds.keys() ^ state.keys()))}"]
        for key, kind in kinds.items():
            if not isinstance(state[key], kind):
                return [f"{key}: expected a {kind.__name__}, not a {type(state[key]).__name__}"]
        if state["optimizer"] != self._name:
            return [f"it is the state of {state['optimizer']}"]
        problems = self._group_misfits(state["groups"])
        parameters = self._parameters()
        steps = state["steps"]
        if len(steps) != len(parameters) or not all(type(step) is int and step >= 0 for step in steps):
            return [*problems, f"steps: expected {len(parameters)} counts, found {steps!s:.80}"]
        for number, step in enumerate(steps):
            absent = [name for name in self.state_names if f"{number}.{name}" not in state["arrays"]]
            problems += [f"missing: {number}.{name}" for name in absent if step]
        for name, array in state["arrays"].items():
            problems += self._array_misfits(name, np.asarray(array), steps)
        return problems

    def _group_misfits(self, groups):
        if len(groups) != len(self.groups):
            return [f"groups: expected {len(self.groups)}, found {len(groups)}"]
        problems = []
        number = 0
        for index, (group, found) in enumerate(zip(self.groups, groups, strict=True)):
            if not isinstance(found, dict):
                problems.append(f"group {index}: expected a dict, not a {type(found).__name__}")
                continue
            if group.keys() != found.keys():
                differing = ", ".join(sorted(group.keys() ^ found.keys()))
                problems.append(f"group {index}: options missing or not expected: {differing}")
                continue
            expected = list(range(number, number + len(group["params"])))
            number += len(expected)
            if found["params"] != expected:
                problems.append(
                    f"group {index}: expected the parameters {expected!r:.60}, found {found['params']!r:.60}"
                )
            try:
                self.check(_options_from_plain(found))
            except (ArithmeticError, TypeError, ValueError) as error:
                problems.append(f"group {index}: {error}")
        return problems

    def _array_misfits(self, name, array, steps):
        number, _, what = name.partition(".")
        known = {str(index) for index, step in enumerate(steps) if step}
        if number not in known or what not in self.state_names + self.optional_state_names:
            return [f"not expected: {name}"]
        parameter = self._parameters()[int(number)]
        if array.shape != parameter.shape:
            return [f"{name} has shape {array.shape} but the parameter has {parameter.shape}"]
        if array.dtype != parameter.dtype:
            return [f"{name} is {array.dtype} but the parameter is {parameter.dtype}"]
        return []


def require_at_least(optimizer, option, value, least):
    """Raises ArgumentError unless the option is a finite number of at least `least`."""
    if isinstance(value, bool) or not math.isfinite(value) or value < least:
        raise ArgumentError(f"{optimizer}: {option} must be a number of at least {least}, not {value!r}")


def require_positive(optimizer, option, value):
    """Raises ArgumentError unless the option is a finite number above 0."""
    if isinstance(value, bool) or not math.isfinite(value) or value <= 0:
        raise ArgumentError(f"{optimizer}: {option} must be a number above 0, not {value!r}")


def _plain_options(group):
    """The options as JSON can hold them: numbers of NumPy as Python's, tuples as lists."""
    plain = {}
    for name, value in group.items():
        if isinstance(value, (tuple, list)):
            value = list(value)
        plain[name] = value.item() if isinstance(value, np.generic) else value
    return plain


def _options_from_plain(options):
    options = {name: value for name, value in options.items() if name != "params"}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
