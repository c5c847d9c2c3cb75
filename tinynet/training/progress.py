"""What a fit shows while it runs."""

import sys
import time

from tinynet.training.callbacks.base import Callback
from tinynet_kernels import memory

__all__ = ["Progress", "memory_text"]

_MEBIBYTE = 2**20

_INTERVAL = 0.25  # seconds between two looks at the figures, for which a GPU has to be waited for

_NOT_SHOWN = ("epoch", "seconds", "learning_rate", "peak_memory")


class Progress(Callback):
    """A bar for the running epoch on a terminal, and one line for each finished epoch.

    Args:
        verbose: 0 shows nothing; 1 the bar, where the output is a terminal, and the lines; 2 the lines.
        file: the text stream to write to; None takes ``sys.stdout``.
        show_memory: whether both say what the memory pools hold, see `memory_text`.
    """

    def __init__(self, verbose=1, file=None, show_memory=False):
        self.verbose = verbose
        self.file = file
        self.show_memory = show_memory
        self._bar = None
        self._has_announced = False

    def on_epoch_begin(self, fit):
        self._samples = 0
        self._elapsed = 0.0
        self._start = time.perf_counter()
        self._next_look = 0.0
        if self.verbose == 1 and self._stream.isatty():
            self._bar = _bar_class()(
                total=fit.steps,
                initial=fit.batch,
                desc=_epoch_name(fit.epoch + 1, fit.epochs),
                unit="batch",
                leave=False,
                dynamic_ncols=True,
                file=self._stream,
            )

    def on_batch_end(self, fit):
        self._samples += fit.batch_samples
        self._elapsed = time.perf_counter() - self._start
        if self._bar is not None:
            if self._elapsed >= self._next_look or fit.batch == fit.steps:
                self._next_look = self._elapsed + _INTERVAL
                figures = {name: _formatted(value) for name, value in fit.figures().items()}
                figures["samples/s"] = self._speed()
                if self.show_memory:
                    figures["memory"] = memory_text(fit.model)
                self._bar.set_postfix(figures, refresh=False)
            self._bar.update()

    def on_epoch_end(self, fit, row):
        self.close()
        figures = "  ".join(f"{name} {_formatted(row[name])}" for name in row if name not in _NOT_SHOWN)
        name = _epoch_name(row["epoch"], fit.epochs)
        used = f"{row['seconds']:.1f} s  {self._speed()} samples/s  {row['peak_memory']:,.0f} MiB"
        if self.show_memory:
            used = f"{used}  {memory_text(fit.model)}"
        self._print(f"{name}  {figures}  {used}")

    def on_interrupt(self, fit):
        self.close()
        if fit.batch:
            name = _epoch_name(fit.epoch + 1, fit.epochs)
            self._print(f"{name}  interrupted after batch {fit.batch} of {fit.steps}")
        else:
            self._print(f"interrupted after epoch {fit.epoch}")

    def announce_compilation(self, _):
        """Says once why nothing seems to happen, when a kernel has to be compiled."""
        if not self._has_announced and self.verbose:
            self._has_announced = True
            line = "compiling kernels for this processor: some seconds, in the first run only"
            if self._bar is None:
                self._print(line)
            else:
                self._bar.write(line, file=self._stream)

    def close(self):
        """Takes the bar off the terminal."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    @property
    def _stream(self):
        return self.file or sys.stdout

    def _print(self, line):
        if self.verbose:
            print(line, file=self._stream, flush=True)

    def _speed(self):
        """Training samples a second; the time for validation is left out."""
        return f"{self._samples / self._elapsed:,.0f}" if self._elapsed else "–"


def memory_text(model):
    """What the pools hold in MiB, as "in use + idle": that of `tinynet_kernels.memory`, and CuPy's on a GPU.

    Arrays that are too small for the pool of the CPU don't count. CuPy counts everything.
    """
    pool = memory.statistics()
    parts = [f"CPU {_mebibytes(pool.in_use)} + {_mebibytes(pool.idle)} MiB"]
    device = next((parameter.device for parameter in model.parameters()), None)
    if device is not None and device.kind == "cuda":
        cupy = device.xp
        with cupy.cuda.Device(device.index):
            pool = cupy.get_default_memory_pool()
            used, held = pool.used_bytes(), pool.total_bytes()
        parts.append(f"GPU {_mebibytes(used)} + {_mebibytes(held - used)} MiB")
    return ", ".join(parts)


def _mebibytes(count):
    return f"{count / _MEBIBYTE:,.0f}"


def _bar_class():
    from tqdm import tqdm

    class Bar(tqdm):
        monitor_interval = 0  # no watching thread, which would outlive the fit

    return Bar


def _epoch_name(epoch, epochs):
    return f"epoch {epoch:>{len(str(epochs))}}/{epochs}"


def _formatted(value):
    return f"{value:.4f}" if isinstance(value, float) and 1e-3 <= abs(value) < 1e4 else f"{value:.4g}"
