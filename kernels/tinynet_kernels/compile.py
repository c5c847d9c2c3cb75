"""How the CPU takes are compiled: the two decorators that every ``cpu.py`` uses.

`kernel` makes a function that runs in parallel and can be called from Python, `inner` one that kernels
call in their loops. Both keep the compiled code on disk. Numba notices a change in the file that holds
the function, but not in other files, so the inner functions stand next to the kernels that call them.
"""

from functools import partial

from numba import njit

from tinynet_kernels.threads import load_thread_pool

__all__ = ["inner", "kernel", "summing_inner"]

# Not "nnan" and "ninf": NaN and infinity mean something and must come out as they went in.
_EXACT_SPECIALS = {"contract", "nsz", "arcp"}

_OPTIONS = {"cache": True, "error_model": "numpy", "fastmath": _EXACT_SPECIALS}

# Only the OpenMP layer allows kernels to be started by several Python threads at the same time.
kernel = partial(njit, parallel=True, nogil=load_thread_pool(), **_OPTIONS)

inner = partial(njit, **_OPTIONS)

# For sums along a contiguous axis, which can be vectorised only if they may be reordered. The order is
# fixed when the function is compiled, so that the results are the same on every run.
summing_inner = partial(njit, **{**_OPTIONS, "fastmath": _EXACT_SPECIALS | {"reassoc"}})
