"""How the CPU takes are compiled: the decorators that every ``cpu.py`` uses.

`kernel` makes a function that runs in parallel and can be called from Python, `inner` one that kernels
call in their loops, `inlined` one that is copied into them, `callback` one that is called through its
address. All keep the compiled code on disk.
Numba compiles it again when the file that holds the function has changed. A function contains what it calls,
however, so here it is compiled again also when another file of its family has changed, or one of those that
all families share.
"""

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import event
from numba.core.ccallback import CFunc

from tinynet_kernels.notices import announce_compilation
from tinynet_kernels.threads import load_thread_pool

__all__ = ["callback", "inlined", "inner", "kernel", "summing_inner"]

# Not "nnan" and "ninf": NaN and infinity mean something and must come out as they went in.
_EXACT_SPECIALS = {"contract", "nsz", "arcp"}

# The wrapper that is left out would serve calls from C, of which there are none.
_OPTIONS = {
    "cache": True,
    "error_model": "numpy",
    "fastmath": _EXACT_SPECIALS,
    "no_cfunc_wrapper": True,
}

_PACKAGE = Path(__file__).parent


def _compiled(function=None, **options):
    """Numba's `njit`, with the compiled code bound to all files that it may come from."""
    if function is None:
        return partial(_compiled, **options)
    dispatcher = njit(function, **options)
    if options["cache"]:
        _watch(dispatcher._cache, function)
    return dispatcher


def callback(function, signature):
    """Compiles a function for a Numba signature at once, to be called through its ``address``."""
    compiled = CFunc(function, (signature.args, signature.return_type), locals={}, options={})
    compiled.enable_caching()
    _watch(compiled._cache, function)
    compiled.compile()
    return compiled


def _watch(cache, function):
    """Makes a cache on disk valid only for the present state of all files that matter."""
    index = cache._cache_file
    index._source_stamp = index._source_stamp, _stamp(Path(function.__code__.co_filename).parent)


@lru_cache(maxsize=64)
def _stamp(family):
    """When the newest file of a family, or of those that all share, was changed, and their total size."""
    folders = {family, _PACKAGE, _PACKAGE / "simd"}
    states = [file.stat() for folder in folders for file in folder.glob("*.py")]
    return max(state.st_mtime_ns for state in states), sum(state.st_size for state in states)


# Only the OpenMP layer allows kernels to be started by several Python threads at the same time.
kernel: Any = partial(_compiled, parallel=True, nogil=load_thread_pool(), **_OPTIONS)

inner: Any = partial(_compiled, **_OPTIONS)

# For what belongs to one or two callers: it becomes a part of them before anything is compiled. Numba
# compiles an ordinary function by itself first, in vain, and then again as a part of its callers.
inlined: Any = inner(inline="always")

# For sums along a contiguous axis, which can be vectorised only if they may be reordered. The order is
# fixed when the function is compiled, so that the results are the same on every run.
summing_inner: Any = partial(_compiled, **{**_OPTIONS, "fastmath": _EXACT_SPECIALS | {"reassoc"}})


class _Announcer(event.Listener):
    """Hears from Numba that a function is compiled, and passes it on if it is one of ours."""

    def on_start(self, event):
        function = event.data["dispatcher"].py_func
        if function.__module__.startswith(_PACKAGE.name):
            announce_compilation(function.__qualname__)

    def on_end(self, event):
        pass


event.register("numba:compile", _Announcer())
