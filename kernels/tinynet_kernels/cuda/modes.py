"""How products are computed on the GPU: by whom, and how exactly.

Both hold for the current thread (or asynchronous task) only, within a context.
"""

from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["ROUNDINGS", "own_products", "rounded_products", "rounding", "uses_own_products"]

ROUNDINGS = ("tf32", "bfloat16")

_rounding = ContextVar("rounding", default=None)
_own = ContextVar("own_products", default=False)


@contextmanager
def rounded_products(to):
    """Within this context products of float32 may round their factors, as tensor cores want it.

    Arrays and sums stay float32, and so does their range. In return a product runs several times as fast
    (NVIDIA, A100 Tensor Core GPU Architecture, 2020).

    Args:
        to: ``"tf32"``, 10 bits behind the point, a relative error of at most 2⁻¹¹ instead of 2⁻²⁴;
            ``"bfloat16"``, 7 bits and 2⁻⁸, which tensor cores multiply twice as fast again; or None, not
            at all.

    Raises:
        ValueError: there is no such rounding.
    """
    if to is not None and to not in ROUNDINGS:
        raise ValueError(f"rounded_products: to must be one of {ROUNDINGS} or None, not {to!r}")
    token = _rounding.set(to)
    try:
        yield
    finally:
        _rounding.reset(token)


@contextmanager
def own_products():
    """Within this context all products are computed by our own kernels, none by cuBLAS.

    CuPy refuses to call cuBLAS while a stream is captured into a graph.
    """
    token = _own.set(True)
    try:
        yield
    finally:
        _own.reset(token)


def rounding():
    """What factors of float32 products are rounded to, one of `ROUNDINGS`, or None."""
    return _rounding.get()


def uses_own_products():
    return _own.get()
