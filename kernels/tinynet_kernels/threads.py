"""The thread pool that the CPU kernels run on: Numba's, with workers that sleep when idle.

GNU OpenMP lets idle workers spin for milliseconds. Between two kernels NumPy's matrix product wants
the same cores for its own threads, which then wait for the spinning ones: a 0.02 ms kernel followed by
a 0.2 ms product takes 8 ms. The spin count is read once, when the library is loaded, so it is set
just for that moment; the process's environment is the same before and after.
"""

import importlib
import os

__all__ = ["load_thread_pool"]

_SPIN_COUNT = "2000"  # some 20 microseconds: enough for two kernels in a row, too short to starve others


def load_thread_pool():
    """Loads Numba's OpenMP layer and returns whether there is one.

    Leaves the choice to whoever has set ``GOMP_SPINCOUNT`` or ``OMP_WAIT_POLICY``.
    """
    chosen_by_user = "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ
    if not chosen_by_user:
        os.environ["GOMP_SPINCOUNT"] = _SPIN_COUNT
    try:
        importlib.import_module("numba.np.ufunc.omppool")
    except ImportError:
        return False
    finally:
        if not chosen_by_user:
            del os.environ["GOMP_SPINCOUNT"]
    return True
