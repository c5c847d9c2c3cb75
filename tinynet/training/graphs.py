"""`CapturedStep`: a step of fixed shapes as a CUDA graph, which is launched as a whole."""

from contextlib import contextmanager

from tinynet import backend
from tinynet.autograd import Tensor, is_grad_enabled
from tinynet.autograd.mode import per_thread
from tinynet.errors import ArgumentError, DeviceError, GraphError
from tinynet_kernels.cuda.capturing import CaptureError, is_repeating
from tinynet_kernels.cuda.graph import Graph, GraphMemory
from tinynet_kernels.cuda.modes import own_products, rounding

__all__ = ["CapturedStep"]

_MOST_COUNTED = 64


class CapturedStep:
    """A function of tensors on a GPU that is captured as a CUDA graph, and from then on replayed.

    Launching a kernel from Python takes longer than a small kernel runs. A graph holds all launches of a step
    and is launched at once, without the Python code in between::

        @tn.CapturedStep
        def step(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        for x, y in batches:
            loss = step(x, y)

    For every combination of shapes, dtypes, other arguments and blocks around the call (`no_grad`,
    `autocast`) the first `warm_up` calls are ordinary, the next one is captured. Combinations beyond
    `most_graphs` stay ordinary. Replays compute what ordinary calls would have computed, to the last bit:
    optimisers count their steps and read their options anew, and dropout draws from its generator. All else
    that the function does on the host happens only in ordinary calls and when it is captured: it must not
    depend on anything else that changes, print, or count.

    Matrix products are computed by our own kernels, in ordinary calls as well: cuBLAS can't be captured.

    Args:
        function: of tensors, and of other arguments that can be dictionary keys. It returns tensors, in
            tuples, lists and dictionaries if it likes, or None.
        model: a module that it trains or uses. Where its modes (training or inference), its frozen parameters
            or the arrays of its parameters change, the step is captured again.
        warm_up: how many ordinary calls come first, at least 1.
        most_graphs: how many graphs are kept. Each keeps the memory that its step needs.
        copied: whether results are copies, which are no part of a graph of operations. If not, a replay
            writes over the results of the one before.

    Calling it raises:
        DeviceError: a tensor is not on a GPU.
        GraphError: the function does what can't be captured: it reads results on the host, copies from it,
            draws random numbers by itself. Or an optimiser's state was loaded after the capture.
    """

    def __init__(self, function, model=None, warm_up=2, most_graphs=4, copied=True):
        for name, value, least in (("warm_up", warm_up, 1), ("most_graphs", most_graphs, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ArgumentError(
                    f"CapturedStep: {name} must be an integer of at least {least}, not {value!r}"
                )
        self._function = function
        self._model = model
        self._warm_up = warm_up
        self._most_graphs = most_graphs
        self._copied = copied
        self._calls = {}
        self._graphs = {}
        self._memory = None

    def __call__(self, *inputs):
        key = tuple([_describe(index, value) for index, value in enumerate(inputs)]), *self._surroundings()
        captured = self._graphs.get(key)
        if captured is None and self._is_ready(key):
            captured = self._graphs[key] = self._capture(inputs)
        if captured is None:
            with own_products():
                result = self._function(*inputs)
            return _copies(result) if self._copied else result
        return captured.replay(inputs, self._copied)

    @property
    def graphs(self):
        """How many graphs there are."""
        return len(self._graphs)

    def _surroundings(self):
        """What a step depends on besides its inputs, as far as it is known."""
        mode = per_thread.mode
        around = rounding(), is_grad_enabled(), None if mode.precision is None else mode.precision.name
        if self._model is None:
            return around
        modes = tuple([module.training for module in self._model.modules()])
        # Arrays compare by what they are, and are kept: a new one can't be taken for one that is gone.
        parameters = tuple([(p.requires_grad, _Identity(p.data)) for p in self._model.parameters()])
        return *around, modes, parameters

    def _is_ready(self, key):
        """Whether the next call is to be captured; counts the calls before."""
        if len(self._graphs) >= self._most_graphs:
            return False
        calls = self._calls.pop(key, 0)
        if calls >= self._warm_up:
            return True
        self._calls[key] = calls + 1
        if len(self._calls) > _MOST_COUNTED:  # shapes that never come again, as it seems
            self._calls.pop(next(iter(self._calls)))
        return False

    def _capture(self, inputs):
        self._memory = self._memory or GraphMemory()
        with _translated_errors():
            return _Captured(self._function, inputs, self._memory)


class _Captured:
    """A graph, the arrays that it reads its inputs from, and those that it writes its results to."""

    def __init__(self, function, inputs, memory):
        self._inputs = [_own(value) if isinstance(value, Tensor) else value for value in inputs]
        with backend.watched_draws(_refuse_draw):
            self._graph = Graph(lambda: function(*self._inputs), memory)

    def replay(self, inputs, copied):
        for own, given in zip(self._inputs, inputs, strict=True):
            if isinstance(own, Tensor):
                own.data[...] = given.data
        with _translated_errors():
            self._graph.launch()
        return _copies(self._graph.result) if copied else self._graph.result


def _own(tensor):
    """A tensor of the same kind with memory of its own."""
    own = Tensor(tensor.data.copy())
    own.requires_grad = tensor.requires_grad
    return own


class _Identity:
    """Equal to what holds the same object."""

    __slots__ = ("held",)

    def __init__(self, held):
        self.held = held

    def __eq__(self, other):
        return self.held is other.held

    def __hash__(self):
        return id(self.held)


@contextmanager
def _translated_errors():
    """Turns errors of the kernels' package into the engine's."""
    try:
        yield
    except CaptureError as error:
        raise GraphError(f"CapturedStep: {error}") from error


def _describe(index, value):
    """The part of the key that stands for an input."""
    if not isinstance(value, Tensor):
        return value
    if not backend.is_on_gpu(value.data):
        raise DeviceError(
            f"CapturedStep: only steps on a GPU can be captured, but input {index} (shape {value.shape}) is "
            f"on {value.device}"
        )
    return value.shape, value.dtype, value.requires_grad, value.data.device.id


def _copies(result):
    """The same structure with copies of all tensors, which no replay will write to."""
    if isinstance(result, Tensor):
        return Tensor(result.data.copy())
    if isinstance(result, dict):
        return {name: _copies(value) for name, value in result.items()}
    if isinstance(result, tuple | list):
        copies = map(_copies, result)
        return result._make(copies) if hasattr(result, "_make") else type(result)(copies)
    return result


def _refuse_draw(generator):
    if not is_repeating():
        raise GraphError(
            "CapturedStep: a generator draws random numbers inside of the step, which would be the same in "
            "each replay; draw them outside and pass them as inputs (dropout may stay)"
        )
