"""Gradient checkpointing: trade time for memory by computing a section of the network twice.

Chen, Xu, Zhang & Guestrin, "Training deep nets with sublinear memory cost", 2016.
"""

import weakref
from contextlib import nullcontext

from tinynet import backend
from tinynet.autograd.mode import enable_grad, per_thread
from tinynet.autograd.precision import autocast
from tinynet.autograd.tensor import Tensor
from tinynet.autograd.versions import changed_since, tick
from tinynet.errors import GraphError

__all__ = ["checkpoint", "is_recomputing"]


def checkpoint(function, *inputs):
    """Computes ``function(*inputs)`` without keeping what its backward pass needs.

    When the backward pass reaches the section, the function runs a second time, and what its operations
    keep for their gradients comes from this run. Only the inputs are kept in the meantime. Gradients of
    the inputs and of parameters used inside, of any order, are those of an ordinary call. Generators draw
    the same random numbers in both runs; the function must not depend on anything else that changes in
    between.

    Raises:
        GraphError: in the backward pass, when the second run records other operations than the first, or
            when an input was changed in place in between.
    """
    if not per_thread.mode.recording:
        return function(*inputs)
    return _Frame(function, inputs).run_first()


def is_recomputing():
    """Whether a checkpointed section runs for the second time: side effects must not happen again."""
    frame = per_thread.mode.frame
    return frame is not None and frame.recomputing


class _Frame:
    """A checkpointed section: how to run it again, and which operations wait for the second run."""

    def __init__(self, function, inputs):
        self.function = function
        self.inputs = inputs
        self.random_states = {}
        self.made_at = tick()
        # Weak, since each of these operations holds the frame.
        self.waiting = []
        self.again = None
        outer = per_thread.mode.frame
        self.recomputing = outer is not None and outer.recomputing
        precision = per_thread.mode.precision
        self.precision = nullcontext() if precision is None else autocast(precision.name)

    def run_first(self):
        """The outputs; of generators that draw, the state before is kept for the second run."""
        with backend.watched_draws(self._remember_state):
            return self._run()

    def _run(self):
        mode = per_thread.mode
        outer, mode.frame = mode.frame, self
        try:
            return self.function(*self.inputs)
        finally:
            mode.frame = outer

    def _remember_state(self, generator):
        """Called before a generator draws in the first run."""
        if generator not in self.random_states:
            self.random_states[generator] = generator.get_state()

    def note(self, node):
        """Called by every operation recorded in the section."""
        if self.again is not None:
            self.again.append(node)
        else:
            node.saved = node.kept = node.output_array = None
            node.frame = self
            self.waiting.append((node.operation, weakref.ref(node)))

    def restore(self):
        """Runs the section again and fills in what its operations keep."""
        self._check_inputs()
        twins = self._run_again()
        if [twin.operation for twin in twins] != [operation for operation, _ in self.waiting]:
            raise GraphError(
                f"checkpoint: the function recorded {len(self.waiting)} operations in its first run and "
                f"{len(twins)}, or others, in its second; it must do the same both times"
            )
        for (_, reference), twin in zip(self.waiting, twins, strict=True):
            node = reference()
            if node is not None and node.frame is self:
                node.saved, node.kept, node.output_array = twin.saved, twin.kept, twin.output_array
                node.saved_at = twin.saved_at
                node.frame = None
        self.waiting = []

    def _check_inputs(self):
        for index, tensor in enumerate(self.inputs):
            if isinstance(tensor, Tensor) and changed_since(tensor.data, self.made_at):
                raise GraphError(
                    f"checkpoint: input {index} (shape {tensor.shape}) was changed in place after the "
                    "function was computed from it, so it cannot be computed again"
                )

    def _run_again(self):
        """The operations that the second run records, in the order of the first."""
        states_now = {generator: generator.get_state() for generator in self.random_states}
        for generator, state in self.random_states.items():
            generator.set_state(state)
        outer, self.recomputing = self.recomputing, True
        self.again = []
        try:
            with enable_grad(), self.precision:
                self._run()
            return self.again
        finally:
            self.again = None
            self.recomputing = outer
            for generator, state in states_now.items():
                generator.set_state(state)
