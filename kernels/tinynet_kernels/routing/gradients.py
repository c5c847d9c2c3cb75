"""The last pass of routing backwards: the gradients by the lower capsules and by the weights."""

from tinynet_kernels.compile import inner
from tinynet_kernels.memory import empty
from tinynet_kernels.routing.lanes import combine
from tinynet_kernels.routing.passes import aligned_rows, general_arguments
from tinynet_kernels.simd.memory import element_bytes, keep_alive
from tinynet_kernels.simd.packing import copy_transposed
from tinynet_kernels.simd.rows import call_band, call_windows
from tinynet_kernels.simd.tile import ADD
from tinynet_kernels.simd.vectors import VECTOR_BYTES, WIDTH_BYTES
from tinynet_kernels.tasks import run

__all__ = ["gradients"]


def gradients(blocks, u, weight, base, coefficients, vectors):
    """The gradients by u and weight, given that by the votes as a sum of few terms.

    That by vote (i, o) of a sample is ``base[o] + Σ over t of coefficients[i, t, o] · vectors[t, o]``.

    Args:
        blocks, u, weight: the sizes and the arguments of the routing, C-contiguous.
        base: (blocks, O, D, lanes).
        coefficients: (lower, blocks, terms, O, lanes).
        vectors: (blocks, terms, O, D, lanes).

    Returns:
        (N, I, K) and (I, O, K, D).
    """
    gu, gweight = empty(u.shape, u.dtype), empty(weight.shape, weight.dtype)
    arguments = (
        *general_arguments(blocks, u, weight),
        *(array.ctypes.data for array in (base, coefficients, vectors, gu, gweight)),
        coefficients.shape[2],
    )
    run(_gradients, u.dtype, blocks.chunks, arguments)
    return gu, gweight


@inner
def _gradients(zero, arguments, index):
    """All blocks of some lower capsules."""
    band, u, weight, samples, lower, lower_size, upper, upper_size, chunk, _, lanes, blocks = arguments[:12]
    base, coefficients, vectors, gu, gweight, terms = arguments[12:18]
    size = element_bytes(zero)
    first = index * chunk
    capsules = min(chunk, lower - first)
    rows, turned = upper * upper_size, capsules * lower_size
    one_weight, row = lower_size * upper_size * size, lower * lower_size * size
    # The gradient by the votes of a capsule, rows × lanes, and once more lanes × rows.
    memory, start = aligned_rows(zero, 2 * turned + 2 * rows)
    memory[:] = 0
    side_by_side = memory.ctypes.data + start * size
    gside_by_side = side_by_side + turned * WIDTH_BYTES
    gvotes = gside_by_side + turned * WIDTH_BYTES
    gvotes_turned = gvotes + rows * WIDTH_BYTES
    for block in range(blocks):
        count = min(lanes, samples - block * lanes)
        used = (count * size + VECTOR_BYTES - 1) // VECTOR_BYTES
        place = (block * lanes * lower + first) * lower_size * size
        copy_transposed(zero, u + place, row, side_by_side, WIDTH_BYTES, count, turned)
        for i in range(capsules):
            one = weight + (first + i) * upper * one_weight
            combine(
                zero,
                base + block * rows * WIDTH_BYTES,
                coefficients + ((first + i) * blocks + block) * terms * upper * WIDTH_BYTES,
                vectors + block * terms * rows * WIDTH_BYTES,
                terms,
                gvotes,
                upper,
                upper_size,
                used,
            )
            call_windows(
                band,
                one,
                upper_size * size,
                size,
                gvotes,
                WIDTH_BYTES,
                upper_size,
                upper,
                one_weight,
                gside_by_side + i * lower_size * WIDTH_BYTES,
                WIDTH_BYTES,
                lower_size,
                count,
                0,
            )
            copy_transposed(zero, gvotes, WIDTH_BYTES, gvotes_turned, rows * size, rows, count)
            _add_products(
                zero,
                band,
                side_by_side + i * lower_size * WIDTH_BYTES,
                gvotes_turned,
                gweight + (first + i) * upper * one_weight,
                lower_size,
                upper,
                upper_size,
                count,
                ADD if block > 0 else 0,
            )
        copy_transposed(zero, gside_by_side, WIDTH_BYTES, gu + place, row, turned, count)
    keep_alive(memory)


@inner
def _add_products(zero, band, vectors, gvotes, gweight, lower_size, upper, upper_size, count, finish):
    """The products of the vectors (K, samples) and the gradients (samples, O · D), as (O, K, D)."""
    size = element_bytes(zero)
    width = WIDTH_BYTES // size
    for o in range(upper):
        for d in range(0, upper_size, width):
            call_band(
                band,
                vectors,
                WIDTH_BYTES,
                size,
                gvotes + (o * upper_size + d) * size,
                upper * upper_size * size,
                count,
                gweight + (o * lower_size * upper_size + d) * size,
                upper_size * size,
                lower_size,
                min(width, upper_size - d),
                finish,
            )
