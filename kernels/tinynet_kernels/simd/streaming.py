"""Writing past the cache, for results that are larger than it.

An ordinary store first reads the cache line that it changes, and keeps it in the cache, where it displaces
what is still needed. A non-temporal store does neither: a kernel that reads one large array and writes
another then moves two thirds of the bytes. For a result that the next kernel finds in the cache it
is the other way round, hence `is_large`.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tinynet_kernels.compile import inner
from tinynet_kernels.simd.memory import address_of, copy_run, element_bytes
from tinynet_kernels.simd.vectors import VECTOR_BYTES

__all__ = ["LARGE", "finish_streaming", "is_large", "store_past_cache", "stream", "stream_run"]

LARGE = 16 * 2**20  # bytes; about half of a large third-level cache


@inner(cache=False)
def is_large(array):
    """Whether the array is so large that it should be written with `stream`."""
    return array.nbytes >= LARGE


@intrinsic
def store_past_cache(typing_context, zero, source, target):
    """Copies one vector from an address to an aligned one, with a non-temporal store."""
    if zero not in (types.float32, types.float64):
        return None

    def generate(context, builder, signature, arguments):
        size = signature.args[0].bitwidth // 8
        vector = ir.VectorType(context.get_value_type(signature.args[0]), VECTOR_BYTES // size)
        value = builder.load(builder.inttoptr(arguments[1], vector.as_pointer()), align=size)
        store = builder.store(value, builder.inttoptr(arguments[2], vector.as_pointer()), align=VECTOR_BYTES)
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    return types.void(zero, types.int64, types.int64), generate


@intrinsic
def finish_streaming(typing_context):
    """Ends a task that used `stream`: what it wrote is there for other threads from now on."""

    def generate(context, builder, signature, arguments):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@inner(cache=False)
def stream_run(zero, source, target, count, is_large):
    """As `copy_run`; past the cache if `is_large` and the elements of the target are whole vectors."""
    run_bytes = count * element_bytes(zero)
    if not is_large or (run_bytes | target) % VECTOR_BYTES:
        copy_run(zero, source, target, count)
    else:
        for offset in range(0, run_bytes, VECTOR_BYTES):
            store_past_cache(zero, source + offset, target + offset)


@inner(cache=False)
def stream(source, target):
    """Fills a flat array with the first elements of another one, past the cache.

    Elements before the first and after the last vector boundary of the target are copied one by one.
    """
    zero = source.dtype.type(0)
    size = element_bytes(zero)
    lanes = VECTOR_BYTES // size
    origin, start = address_of(source), address_of(target)
    i = min((-start % VECTOR_BYTES) // size, target.size)
    for j in range(i):
        target[j] = source[j]
    while i + lanes <= target.size:
        store_past_cache(zero, origin + i * size, start + i * size)
        i += lanes
    for j in range(i, target.size):
        target[j] = source[j]
