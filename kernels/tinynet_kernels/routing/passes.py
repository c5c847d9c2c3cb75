"""The passes of routing over the votes, each of which sums up votes with some weights."""

from tinynet_kernels.compile import inner
from tinynet_kernels.routing.blocks import aligned_empty
from tinynet_kernels.routing.lanes import accumulate, agree
from tinynet_kernels.simd.exponential import exponential
from tinynet_kernels.simd.memory import clear_run, copy_run, element_bytes, keep_alive, new_matrix
from tinynet_kernels.simd.packing import copy_transposed
from tinynet_kernels.simd.parts import part
from tinynet_kernels.simd.rows import band_address, call_band, call_windows
from tinynet_kernels.simd.vectors import VECTOR_BYTES, WIDTH_BYTES
from tinynet_kernels.tasks import run

__all__ = ["aligned_rows", "first_sums", "general_arguments", "place_of_task", "weighted_sums"]


def first_sums(blocks, u, weight):
    """The sums (N, O, D) of all votes, each with the weight 1 / O."""
    partial = _partial_sums(blocks, u.dtype)
    arguments = (*general_arguments(blocks, u, weight), partial.ctypes.data)
    run(_first_sums, u.dtype, blocks.chunks * blocks.blocks, arguments)
    return blocks.one_by_one(partial.sum(axis=0)) / u.dtype.type(blocks.upper)


def weighted_sums(blocks, u, weight, known, gsum=None, coefficients=None, term=0, summing=True):
    """One pass over the votes.

    Args:
        blocks, u, weight: the sizes and the arguments of the routing, C-contiguous.
        known: what the votes are compared with, laid out by ``blocks.side_by_side``.
        gsum: the gradient by the sums of this iteration, in the same layout, in a backward pass.
        coefficients: where the coefficients are kept, and behind them the gradients of their logits when
            there is a gsum: (lower, blocks, terms, O, lanes). Or None.
        term: at which of the terms.
        summing: whether sums are wanted.

    Returns:
        (N, O, D): the votes, summed with the coefficients or, in a backward pass, with the gradients of the
        logits; None unless `summing`.
    """
    partial = _partial_sums(blocks, u.dtype) if summing else None
    arguments = (
        *general_arguments(blocks, u, weight),
        *(_address(array) for array in (partial, known, gsum, coefficients)),
        *(1 if coefficients is None else coefficients.shape[2], term),
    )
    run(_weighted_sums, u.dtype, blocks.chunks * blocks.blocks, arguments)
    return blocks.one_by_one(partial.sum(axis=0)) if summing else None


def general_arguments(blocks, u, weight):
    """What the tasks of every pass begin with: twelve numbers."""
    return band_address(u.dtype), u.ctypes.data, weight.ctypes.data, *blocks


def _partial_sums(blocks, dtype):
    shape = (blocks.chunks, blocks.blocks, blocks.upper, blocks.upper_size, blocks.lanes)
    return aligned_empty(shape, dtype)


def _address(array):
    return 0 if array is None else array.ctypes.data


@inner
def place_of_task(zero, arguments, index):
    """The block of task `index`, its number of samples, its first lower capsule and their number."""
    samples, lower = arguments[3:5]
    chunk, _, lanes, blocks = arguments[8:12]
    block, first = index % blocks, index // blocks * chunk
    return block, min(lanes, samples - block * lanes), first, min(chunk, lower - first)


@inner
def aligned_rows(zero, rows):
    """Undefined rows of lanes: the array that holds them, and where in it they begin."""
    size = element_bytes(zero)
    memory = new_matrix(zero, 1, (rows + 1) * (WIDTH_BYTES // size))[0]
    return memory, (-memory.ctypes.data % VECTOR_BYTES) // size


@inner
def _first_sums(zero, arguments, index):
    """The products of weights and vectors of all lower capsules of the task as one long sum."""
    band, u, weight, _, lower, lower_size, upper, upper_size = arguments[:8]
    size = element_bytes(zero)
    block, count, first, capsules = place_of_task(zero, arguments, index)
    memory, start = aligned_rows(zero, capsules * lower_size)
    vectors = memory.ctypes.data + start * size
    u += (block * (WIDTH_BYTES // size) * lower + first) * lower_size * size
    copy_transposed(zero, u, lower * lower_size * size, vectors, WIDTH_BYTES, count, capsules * lower_size)
    one_weight = lower_size * upper_size * size
    target = arguments[12] + index * upper * upper_size * WIDTH_BYTES
    clear_run(zero, target, upper * upper_size * (WIDTH_BYTES // size))
    for o in range(upper):
        call_windows(
            band,
            weight + (first * upper + o) * one_weight,
            size,
            upper_size * size,
            vectors,
            WIDTH_BYTES,
            lower_size,
            capsules,
            upper * one_weight,
            target + o * upper_size * WIDTH_BYTES,
            WIDTH_BYTES,
            upper_size,
            count,
            0,
        )
    keep_alive(memory)


@inner
def _weighted_sums(zero, arguments, index):
    band, u, weight, _, lower, lower_size, upper, upper_size = arguments[:8]
    sums, known, gsum, coefficients, terms, term = arguments[12:18]
    size = element_bytes(zero)
    lanes = WIDTH_BYTES // size
    block, count, first, capsules = place_of_task(zero, arguments, index)
    used = (count * size + VECTOR_BYTES - 1) // VECTOR_BYTES
    rows, turned = upper * upper_size, capsules * lower_size

    memory, start = aligned_rows(zero, turned + rows + 2 * upper + 2)
    memory[:] = 0
    vectors = memory.ctypes.data + start * size
    votes = vectors + turned * WIDTH_BYTES
    logits = start + (turned + rows) * lanes
    glogits = logits + upper * lanes
    first_row = part(memory, glogits + upper * lanes, glogits + (upper + 1) * lanes)
    second_row = part(memory, glogits + (upper + 1) * lanes, glogits + (upper + 2) * lanes)
    logits_address, glogits_address = memory.ctypes.data + logits * size, memory.ctypes.data + glogits * size

    u += (block * lanes * lower + first) * lower_size * size
    copy_transposed(zero, u, lower * lower_size * size, vectors, WIDTH_BYTES, count, turned)
    known += block * rows * WIDTH_BYTES
    gsum += block * rows * WIDTH_BYTES if gsum else 0
    sums += index * rows * WIDTH_BYTES if sums else 0
    blocks = arguments[11]
    if sums:
        clear_run(zero, sums, rows * lanes)
    for i in range(capsules):
        make_votes(
            zero,
            band,
            weight + (first + i) * rows * lower_size * size,
            vectors + i * lower_size * WIDTH_BYTES,
            votes,
            lower_size,
            upper,
            upper_size,
            count,
        )
        agree(zero, votes, known, logits_address, upper, upper_size, used)
        _softmax(zero, memory, logits, upper, first_row, second_row)
        if gsum:
            agree(zero, votes, gsum, glogits_address, upper, upper_size, used)
            _softmax_backward(zero, memory, logits, glogits, upper, first_row)
        if coefficients:
            kept = coefficients + (((first + i) * blocks + block) * terms + term) * upper * WIDTH_BYTES
            copy_run(zero, logits_address, kept, (2 if gsum else 1) * upper * lanes)
        if sums:
            accumulate(
                zero, glogits_address if gsum else logits_address, votes, sums, upper, upper_size, used
            )
    keep_alive(memory)


@inner
def make_votes(zero, band, weight, vectors, votes, lower_size, upper, upper_size, count):
    """The votes (O, D) of one lower capsule, of which `vectors` holds K rows."""
    size = element_bytes(zero)
    for o in range(upper):
        call_band(
            band,
            weight + o * lower_size * upper_size * size,
            size,
            upper_size * size,
            vectors,
            WIDTH_BYTES,
            lower_size,
            votes + o * upper_size * WIDTH_BYTES,
            WIDTH_BYTES,
            upper_size,
            count,
            0,
        )


@inner
def _softmax(zero, memory, logits, upper, largest, total):
    """Replaces O rows of logits, from an index on, by their softmax over the rows."""
    lanes = WIDTH_BYTES // element_bytes(zero)
    for lane in range(lanes):
        largest[lane] = memory[logits + lane]
        total[lane] = 0
    for o in range(1, upper):
        row = _row(zero, memory, logits, o)
        for lane in range(lanes):
            largest[lane] = row[lane] if row[lane] > largest[lane] else largest[lane]
    for o in range(upper):
        row = _row(zero, memory, logits, o)
        for lane in range(lanes):
            value = exponential(row[lane] - largest[lane])
            row[lane] = value
            total[lane] += value
    for o in range(upper):
        row = _row(zero, memory, logits, o)
        for lane in range(lanes):
            row[lane] /= total[lane]


@inner
def _softmax_backward(zero, memory, coefficients, gradients, upper, mean):
    """Replaces O rows of gradients by coefficients, from an index on, by those by the logits."""
    lanes = WIDTH_BYTES // element_bytes(zero)
    for lane in range(lanes):
        mean[lane] = 0
    for o in range(upper):
        row, gradient = _row(zero, memory, coefficients, o), _row(zero, memory, gradients, o)
        for lane in range(lanes):
            mean[lane] += row[lane] * gradient[lane]
    for o in range(upper):
        row, gradient = _row(zero, memory, coefficients, o), _row(zero, memory, gradients, o)
        for lane in range(lanes):
            gradient[lane] = row[lane] * (gradient[lane] - mean[lane])


@inner(inline="always")
def _row(zero, memory, start, o):
    lanes = WIDTH_BYTES // element_bytes(zero)
    return part(memory, start + o * lanes, start + (o + 1) * lanes)
