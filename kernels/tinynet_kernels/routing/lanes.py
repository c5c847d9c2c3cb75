"""The steps of routing between the products, for samples side by side: each lane is another sample.

A *row* is one number of each of some samples: ``WIDTH_BYTES``, of which the first vectors are used. So the
softmax over the upper capsules and the agreement, a sum over the numbers of a capsule, run from row to row,
and never across the lanes of a vector. Arrays are given by address; (O, D) stands for O · D rows.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tinynet_kernels.simd.emitter import Emitter
from tinynet_kernels.simd.vectors import VECTOR_BYTES, WIDTH_BYTES

__all__ = ["accumulate", "agree", "combine"]

_INT64 = ir.IntType(64)
_TOGETHER = 4  # rows at a time: sums that don't wait for each other


@intrinsic
def agree(typing_context, zero, votes, vectors, result, upper, size, used):
    """result (O) = the sum over d of votes (O, D) · vectors (O, D), in the first `used` vectors."""

    def generate(context, builder, signature, arguments):
        _, votes, vectors, result, upper, size, used = arguments
        emit = _emitter(context, builder, signature)
        sums = [emit.variable(emit.zeros()) for _ in range(_TOGETHER)]
        with _capsules(builder, upper, used) as (o, offset):
            for total in sums:
                builder.store(emit.zeros(), total)

            def step(d, count):
                row = _row(builder, offset, builder.add(builder.mul(o, size), d))
                a, b = builder.add(votes, row), builder.add(vectors, row)
                for j in range(count):
                    emit.multiply_add(_load(emit, a, j), _load(emit, b, j), sums[j])

            _for_rows(builder, size, step)
            total = emit.zeros()
            for part in sums:
                total = builder.fadd(total, builder.load(part))
            emit.store(total, builder.add(result, _row(builder, offset, o)), 0, None)
        return context.get_dummy_value()

    return _signature(zero, 6), generate


@intrinsic
def accumulate(typing_context, zero, coefficients, votes, sums, upper, size, used):
    """sums (O, D) += coefficients (O) · votes (O, D), in the first `used` vectors."""

    def generate(context, builder, signature, arguments):
        _, coefficients, votes, sums, upper, size, used = arguments
        emit = _emitter(context, builder, signature)
        total = emit.variable(emit.zeros())
        with _capsules(builder, upper, used) as (o, offset):
            coefficient = _load(emit, builder.add(coefficients, _row(builder, offset, o)))

            def step(d, count):
                row = _row(builder, offset, builder.add(builder.mul(o, size), d))
                a, b = builder.add(votes, row), builder.add(sums, row)
                for j in range(count):
                    builder.store(_load(emit, b, j), total)
                    emit.multiply_add(coefficient, _load(emit, a, j), total)
                    emit.store(builder.load(total), _further(builder, b, j), 0, None)

            _for_rows(builder, size, step)
        return context.get_dummy_value()

    return _signature(zero, 6), generate


@intrinsic
def combine(typing_context, zero, base, coefficients, vectors, terms, result, upper, size, used):
    """result (O, D) = base (O, D) + the sum over t of coefficients (terms, O) · vectors (terms, O, D)."""

    def generate(context, builder, signature, arguments):
        _, base, coefficients, vectors, terms, result, upper, size, used = arguments
        emit = _emitter(context, builder, signature)
        sums = [emit.variable(emit.zeros()) for _ in range(_TOGETHER)]
        rows = builder.mul(upper, size)
        with _capsules(builder, upper, used) as (o, offset):

            def step(d, count):
                row = builder.add(builder.mul(o, size), d)
                place = _row(builder, offset, row)
                for j in range(count):
                    builder.store(_load(emit, builder.add(base, place), j), sums[j])
                with cgutils.for_range(builder, terms) as term:
                    t = term.index
                    which = _row(builder, offset, builder.add(builder.mul(t, upper), o))
                    coefficient = _load(emit, builder.add(coefficients, which))
                    source = _row(builder, offset, builder.add(builder.mul(t, rows), row))
                    for j in range(count):
                        vector = _load(emit, builder.add(vectors, source), j)
                        emit.multiply_add(coefficient, vector, sums[j])
                for j in range(count):
                    target = _further(builder, builder.add(result, place), j)
                    emit.store(builder.load(sums[j]), target, 0, None)

            _for_rows(builder, size, step)
        return context.get_dummy_value()

    return _signature(zero, 8), generate


def _signature(zero, integers):
    is_served = zero in (types.float32, types.float64)
    return types.void(zero, *[types.int64] * integers) if is_served else None


def _emitter(context, builder, signature):
    return Emitter(context, builder, signature.args[0], types.int32, VECTOR_BYTES)


class _capsules:
    """A loop over the used vectors of a row and, in each, over the upper capsules."""

    def __init__(self, builder, upper, used):
        self.builder = builder
        self.outer = cgutils.for_range(builder, used)
        self.inner = cgutils.for_range(builder, upper)

    def __enter__(self):
        vector = self.outer.__enter__().index
        o = self.inner.__enter__().index
        return o, self.builder.mul(vector, _INT64(VECTOR_BYTES))

    def __exit__(self, *error):
        self.inner.__exit__(*error)
        self.outer.__exit__(*error)


def _for_rows(builder, size, step):
    """``step(d, count)`` for the rows d … d + count - 1 of a capsule, several at a time, then one by one."""
    whole = builder.sdiv(size, _INT64(_TOGETHER))
    with cgutils.for_range(builder, whole) as loop:
        step(builder.mul(loop.index, _INT64(_TOGETHER)), _TOGETHER)
    done = builder.mul(whole, _INT64(_TOGETHER))
    with cgutils.for_range(builder, builder.sub(size, done)) as loop:
        step(builder.add(done, loop.index), 1)


def _row(builder, offset, index):
    return builder.add(offset, builder.mul(index, _INT64(WIDTH_BYTES)))


def _further(builder, address, rows):
    return builder.add(address, _INT64(rows * WIDTH_BYTES))


def _load(emit, address, rows=0):
    return emit.load(_further(emit.builder, address, rows), 0, None)
