"""Ctrl-C as a request to stop at the next good moment."""

import signal
import threading

__all__ = ["InterruptWatch"]


class InterruptWatch:
    """Inside the ``with`` block the first Ctrl-C only sets `requested`; a second one stops at once.

    Does nothing outside the main thread, where Python allows no signal handlers, and where Ctrl-C is
    ignored, as in background jobs.

    Attributes:
        requested: whether Ctrl-C was pressed.
    """

    def __init__(self):
        self.requested = False
        self._outer_handler = None

    def __enter__(self):
        handler = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(handler):
            self._outer_handler = handler
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_):
        self._hand_back()

    def _note(self, _number, _frame):
        self.requested = True
        self._hand_back()

    def _hand_back(self):
        if self._outer_handler is not None:
            signal.signal(signal.SIGINT, self._outer_handler)
            self._outer_handler = None
