"""What a running fit consists of, as a nested state: taken for a checkpoint, put back when resuming.

Resuming is all or nothing. The state is checked first; should a part still refuse its piece, the parts
that were already changed get their old state back.
"""

import copy
from typing import Any, NamedTuple

import numpy as np

from tinynet import backend
from tinynet.errors import CheckpointError

__all__ = ["capture", "restore"]


class Part(NamedTuple):
    """One thing with a state: how to read it and how to set it."""

    get: Any
    set: Any


def capture(fit):
    """The state of a fit between two batches, as `checkpoint.save_checkpoint` takes it."""
    return {
        "position": {
            "epoch": fit.epoch,
            "batch": fit.batch,
            "seconds": fit.seconds,
            "stopped": fit.stopped,
        },
        "data": _data(fit),
        "history": fit.history.epochs,
        "parts": {name: part.get() for name, part in _parts(fit).items()},
    }


def restore(fit, state, path):
    """Puts a fit into a state given by `capture`.

    Args:
        fit: a fit that is about to begin.
        state: the state.
        path: the file it came from, for error messages.

    Raises:
        CheckpointError: the state is malformed or belongs to another model, optimiser, set of callbacks
            or, in the middle of an epoch, other data. Nothing is changed then.
    """
    parts = _parts(fit)
    problem = _problem(fit, state, parts)
    if problem:
        raise CheckpointError(f"{path}: {problem}; nothing was restored")
    _set_all(parts, state["parts"], path)
    position = state["position"]
    fit.epoch, fit.batch, fit.stopped = position["epoch"], position["batch"], position["stopped"]
    fit.seconds = float(position["seconds"])
    fit.history.epochs[:] = state["history"]


def _parts(fit):
    """Everything that has a state, by name. Schedules are set after the optimiser whose rates they set."""
    parts = {
        "model": Part(fit.model.state_dict, fit.model.load_state_dict),
        "optimizer": Part(fit.optimizer.state_dict, fit.optimizer.load_state_dict),
    }
    scaler = fit.trainer.loss_scaler
    if scaler is not None:
        parts["loss scaler"] = Part(scaler.state_dict, scaler.load_state_dict)
    for name, generator in _generators(fit).items():
        parts[f"generator {name}"] = Part(generator.get_state, generator.set_state)
    for metric in fit.metrics:
        parts[f"metric {metric.name}"] = Part(metric.state_dict, metric.load_state_dict)
    for callback in fit.callbacks:
        if callback.state_dict():
            name, number = f"callback {type(callback).__name__}", 1
            while name in parts:
                number += 1
                name = f"callback {type(callback).__name__} {number}"
            parts[name] = Part(callback.state_dict, callback.load_state_dict)
    return parts


def _generators(fit):
    """The sources of randomness: the default one, those held by modules, those given to the trainer."""
    generators = {"default": backend.default_generator()}
    for path, module in fit.model.named_modules("model"):
        for name, value in vars(module).items():
            if isinstance(value, backend.Generator):
                generators[f"{path}.{name}"] = value
    generators.update(fit.trainer.generators)
    return generators


def _data(fit):
    """What determines the batches of an epoch."""
    loader = fit.loader
    return {
        "samples": len(loader.dataset),
        "batch_size": loader.batch_size,
        "shuffle": bool(loader.shuffle),
        "seed": loader.seed,
        "drop_last": bool(loader.drop_last),
        "steps_per_epoch": fit.steps,
    }


def _problem(fit, state, parts):
    """What keeps the state from being restored, in words, or None."""
    return (
        _misshapen(state, _STATE, "the state")
        or _misshapen(state["position"], _POSITION, "the position")
        or _wrong_history(state)
        or _wrong_names(state["parts"], parts)
        or _wrong_model(state["parts"]["model"], fit.model.state_dict())
        or _wrong_data(state, _data(fit))
    )


_STATE = {"position": dict, "data": dict, "history": list, "parts": dict}
_POSITION = {"epoch": int, "batch": int, "seconds": (int, float), "stopped": bool}


def _misshapen(value, fields, what):
    if set(value) != set(fields):
        return f"{what} should hold {', '.join(fields)}, but holds {', '.join(value)}"
    for name, kind in fields.items():
        is_flag = isinstance(value[name], bool)
        if not isinstance(value[name], kind) or is_flag != (kind is bool):
            return f"{what} has a wrong {name}: {str(value[name])[:60]!r}"
        if isinstance(value[name], (int, float)) and not value[name] >= 0:
            return f"{what} has a negative {name}: {value[name]}"
    return None


def _wrong_history(state):
    rows = state["history"]
    for row in rows:
        if not isinstance(row, dict) or not all(
            value is None or isinstance(value, (int, float, str)) for value in row.values()
        ):
            return f"the history has a malformed row: {str(row)[:60]}"
    if len(rows) != state["position"]["epoch"]:
        return f"the history has {len(rows)} rows after {state['position']['epoch']} epochs"
    return None


def _wrong_names(found, parts):
    missing = [name for name in parts if name not in found]
    surplus = [name for name in found if name not in parts]
    problems = [f"it lacks the state of {', '.join(missing)}"] if missing else []
    problems += [f"it holds the state of {', '.join(surplus)}, which is not here"] if surplus else []
    malformed = [name for name in parts if name in found and not isinstance(found[name], dict)]
    problems += [f"the state of {', '.join(malformed)} is malformed"] if malformed else []
    return " and ".join(problems) or None


def _wrong_model(found, expected):
    """Stricter than ``load_state_dict``: no conversion of dtypes, since resuming is bit for bit."""
    problems = [f"{name} is missing" for name in expected if name not in found]
    problems += [f"{name} is not expected" for name in found if name not in expected]
    for name in expected.keys() & found.keys():
        array, target = found[name], expected[name]
        if not isinstance(array, np.ndarray):
            problems.append(f"{name} is not an array")
        elif (array.shape, array.dtype) != (target.shape, target.dtype):
            there, here = f"{array.dtype} {array.shape}", f"{target.dtype} {target.shape}"
            problems.append(f"{name} is {there} in the file but {here} in the model")
    return f"the weights do not fit the model: {'; '.join(sorted(problems))}" if problems else None


def _wrong_data(state, here):
    """In the middle of an epoch the batches to come must be those that would have come."""
    if not state["position"]["batch"]:
        return None
    there = state["data"]
    for name, value in here.items():
        if there.get(name) != value:
            return f"it was made in the middle of an epoch with {name} = {there.get(name)}, not {value}"
    if state["position"]["batch"] > here["steps_per_epoch"]:
        return f"it stands at batch {state['position']['batch']} of {here['steps_per_epoch']}"
    return None


def _set_all(parts, states, path):
    """Sets the state of each part; when one refuses, all get back what they had."""
    before = {name: copy.deepcopy(part.get()) for name, part in parts.items()}
    for name, part in parts.items():
        try:
            part.set(states[name])
        except Exception as error:  # parts are of many kinds, users' own among them
            for old_name, old_part in parts.items():
                old_part.set(before[old_name])
            raise CheckpointError(
                f"{path}: the state of {name} does not fit: {type(error).__name__}: {error}; "
                "nothing was restored"
            ) from error
