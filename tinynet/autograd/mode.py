"""What the current thread does with operations: record them, check them, checkpoint them."""

import functools
import threading

__all__ = ["enable_grad", "is_grad_enabled", "no_grad"]


class Mode:
    """The state that every operation looks at.

    Attributes:
        recording: whether operations are recorded for the backward pass.
        checking: whether outputs and gradients are checked to be finite, see anomaly.py.
        modules: while checking, the modules whose forward is running, outermost first.
        frame: the checkpointed section that is running, or None, see checkpoint.py.
        freeing: whether a backward pass is running that frees the graph behind it.
        depositing: whether one is running that puts the gradients of leaves into their ``grad`` at once.
        precision: what the innermost open `autocast` asks for, or None, see precision.py.
        products: the context in which backward passes shall compute the products of what is recorded now, a
            function that makes one; or None.
    """

    __slots__ = (
        "checking",
        "depositing",
        "frame",
        "freeing",
        "modules",
        "precision",
        "products",
        "recording",
    )

    def __init__(self):
        self.recording = True
        self.checking = False
        self.modules = []
        self.frame = None
        self.freeing = False
        self.depositing = False
        self.precision = None
        self.products = None


class _PerThread(threading.local):
    def __init__(self):
        self.mode = Mode()


per_thread = _PerThread()


def is_grad_enabled():
    """Whether the current thread records operations."""
    return per_thread.mode.recording


class _Recording:
    """Sets the recording mode in a ``with`` block or for the calls of a decorated function."""

    value = True

    def __init__(self):
        self._outer = []

    def __enter__(self):
        mode = per_thread.mode
        self._outer.append(mode.recording)
        mode.recording = self.value
        return self

    def __exit__(self, *_):
        per_thread.mode.recording = self._outer.pop()

    def __call__(self, function):
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with type(self)():
                return function(*args, **kwargs)

        return wrapped


class no_grad(_Recording):
    """Operations inside are not recorded: ``with no_grad(): ...`` or ``@no_grad()``."""

    value = False


class enable_grad(_Recording):
    """Operations inside are recorded, also within `no_grad`."""

    value = True
