"""Numbers with an exponent of their own, and the steps of the recursion over them, as vector code.

The probability of the first hundred steps of a sequence is far below what float32 can hold, and the states
of one step differ by as much, so that scaling all of a step by one factor loses those that decide in the end.
Logarithms of probabilities hold them all, but adding takes three exponentials and a logarithm, and in float32
ln p = −700 is 3e-5 off. Here a number is a *pair* ``mantissa · 2**exponent``, the exponent an integer in
floating-point form. Adding and multiplying pairs takes some additions and shifts, no more is rounded than in
ordinary arithmetic, and nothing ever becomes too small. Zero is (0, `NOTHING`).

A row of states holds four segments: the mantissas of the blanks, then of the labels, then the exponents of
both. State i of the blanks stands before label i. Every segment begins with a pad of one vector, and is as
long as whole vectors take, with at least one state more than there are labels; what is too much is 0.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tinynet_kernels.simd.vectors import VECTOR_BYTES

__all__ = ["NOTHING", "advance", "retreat"]

NOTHING = -1e37  # the exponent of 0: less than all others, and ten of them can be added in float32

_MANTISSA_BITS = {32: 23, 64: 52}
_BIAS = {32: 127, 64: 1023}
# A floating-point number of this size has no bits for a fraction: its last bits hold an integer.
_INTEGERS = {32: 12582912.0, 64: 6755399441055744.0}
_INTEGER_BITS = {32: 0x4B400000, 64: 0x4338000000000000}

_BLANK, _LABEL = 0, 1


class _Writer:
    """Writes instructions on vectors of pairs, which are tuples (mantissas, exponents)."""

    def __init__(self, context, builder, dtype, segment):
        bits = dtype.bitwidth
        self.builder, self.segment, self.bits = builder, segment, bits
        self.size, self.lanes = bits // 8, VECTOR_BYTES * 8 // bits
        self.numbers = ir.VectorType(context.get_value_type(dtype), self.lanes)
        self.integers = ir.VectorType(ir.IntType(bits), self.lanes)
        self.shift = self.integer(_MANTISSA_BITS[bits])

    def number(self, value):
        return ir.Constant(self.numbers, [value] * self.lanes)

    def integer(self, value):
        return ir.Constant(self.integers, [value] * self.lanes)

    def everywhere(self, value):
        """One number in all lanes."""
        undefined = ir.Constant(self.numbers, ir.Undefined)
        single = self.builder.insert_element(undefined, value, ir.IntType(32)(0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(single, undefined, lanes)

    def _pointer(self, row, segment, offset):
        """Of a segment, `offset` elements further on."""
        builder, int64 = self.builder, ir.IntType(64)
        start = builder.add(row, builder.mul(self.segment, int64(segment)))
        return builder.inttoptr(builder.add(start, int64(offset * self.size)), self.numbers.as_pointer())

    def load(self, row, segment=0, offset=0):
        return self.builder.load(self._pointer(row, segment, offset), align=self.size)

    def store(self, value, row, segment=0):
        self.builder.store(value, self._pointer(row, segment, 0), align=self.size)

    def load_pair(self, row, kind, offset=0):
        return self.load(row, kind, offset), self.load(row, 2 + kind, offset)

    def store_pair(self, pair, row, kind):
        self.store(pair[0], row, kind)
        self.store(pair[1], row, 2 + kind)

    def larger(self, a, b):
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def power_of_two(self, exponent):
        """2**exponent for exponents up to some 100; 0 for what is too small for this dtype."""
        builder, bias = self.builder, _BIAS[self.bits]
        exponent = self.larger(exponent, self.number(float(-bias)))
        rounded = builder.fadd(exponent, self.number(_INTEGERS[self.bits] + bias))
        shifted = builder.shl(builder.bitcast(rounded, self.integers), self.shift)
        return builder.bitcast(shifted, self.numbers)

    def where(self, mask, pair):
        """The pair in lanes where the mask holds, 0 elsewhere."""
        zero = self.number(0.0), self.number(NOTHING)
        return tuple(self.builder.select(mask, a, b) for a, b in zip(pair, zero, strict=True))

    def sum(self, *pairs):
        """The sum as a pair whose mantissa may be somewhat larger than those of the terms."""
        builder = self.builder
        exponent = pairs[0][1]
        for _, other in pairs[1:]:
            exponent = self.larger(exponent, other)
        total = None
        for mantissa, own in pairs:
            scale = self.power_of_two(builder.fsub(own, exponent))
            term = builder.fmul(mantissa, scale, flags=("contract",))
            total = term if total is None else builder.fadd(total, term, flags=("contract",))
        return total, exponent

    def product(self, a, b):
        """The product with its mantissa between 1 and 2, or 0; NaN and infinity stay."""
        builder = self.builder
        mantissa = builder.fmul(a[0], b[0])
        field = builder.lshr(builder.bitcast(mantissa, self.integers), self.shift)
        shifted = builder.shl(builder.sub(self.integer(2 * _BIAS[self.bits]), field), self.shift)
        positive = builder.and_(shifted, self.integer(2 ** (self.bits - 1) - 1))
        inverse = builder.bitcast(positive, self.numbers)
        marked = builder.bitcast(builder.or_(field, self.integer(_INTEGER_BITS[self.bits])), self.numbers)
        more = builder.fsub(marked, self.number(_INTEGERS[self.bits] + _BIAS[self.bits]))
        exponent = builder.fadd(builder.fadd(a[1], b[1]), more)
        is_zero = builder.fcmp_ordered("==", mantissa, self.number(0.0))
        exponent = builder.select(is_zero, self.number(NOTHING), exponent)
        return builder.fmul(mantissa, inverse), exponent

    def holds(self, row, offset=0):
        """Where the numbers at an address are not 0."""
        return self.builder.fcmp_unordered("!=", self.load(row, 0, offset), self.number(0.0))


@intrinsic
def advance(typing_context, segment, earlier, label, exponents, may_skip, blank, blank_exponent, alpha):
    """One vector of alpha[t] from alpha[t − 1].

    Args:
        segment: from one segment to the next, in bytes.
        earlier: the address of these states in the row of the step before.
        label, exponents: those of their labels' probabilities, mantissas and exponents.
        may_skip: that of numbers which are not 0 where a label differs from the one before.
        blank, blank_exponent: the probability of the blank.
        alpha: the address of these states in the row to write.
    """

    def generate(context, builder, signature, arguments):
        segment, earlier, label, exponents, may_skip, blank, blank_exponent, alpha = arguments
        writer = _Writer(context, builder, signature.args[5], segment)
        blanks = writer.load_pair(earlier, _BLANK)
        labels = writer.load_pair(earlier, _LABEL)
        before = writer.load_pair(earlier, _LABEL, -1)
        skipping = writer.where(writer.holds(may_skip), before)
        of_blank = writer.everywhere(blank), writer.everywhere(blank_exponent)
        of_label = writer.load(label), writer.load(exponents)
        writer.store_pair(writer.product(writer.sum(blanks, before), of_blank), alpha, _BLANK)
        writer.store_pair(writer.product(writer.sum(labels, blanks, skipping), of_label), alpha, _LABEL)
        return context.get_dummy_value()

    addresses = (types.int64,) * 5
    return types.void(*addresses, blank, blank_exponent, types.int64), generate


@intrinsic
def retreat(
    typing_context,
    segment,
    later,
    label,
    exponents,
    may_skip,
    blank,
    blank_exponent,
    alpha,
    likelihood,
    weights,
):
    """One vector of beta[t], and of how probable its states are; first states first.

    Args:
        segment, label, exponents, may_skip, blank, blank_exponent: as for `advance`.
        later: the address of these states in a row that holds beta[t + 1] · p[t + 1]; it receives
            beta[t] · p[t].
        alpha: that of these states in alpha[t].
        likelihood: the exponent of the probability of all alignments.
        weights: where to write alpha[t] · beta[t] / 2**likelihood, a segment of blanks and one of labels.
    """

    def generate(context, builder, signature, arguments):
        segment, later, label, exponents, may_skip, blank, blank_exponent = arguments[:7]
        alpha, likelihood, weights = arguments[7:]
        writer = _Writer(context, builder, signature.args[5], segment)
        blanks, labels = writer.load_pair(later, _BLANK), writer.load_pair(later, _LABEL)
        skipping = writer.where(writer.holds(may_skip, 1), writer.load_pair(later, _LABEL, 1))
        of_blank = writer.everywhere(blank), writer.everywhere(blank_exponent)
        of_label = writer.load(label), writer.load(exponents)
        beta = {
            _BLANK: writer.sum(blanks, labels),
            _LABEL: writer.sum(labels, writer.load_pair(later, _BLANK, 1), skipping),
        }
        whole = writer.everywhere(likelihood)
        for kind, of_class in ((_BLANK, of_blank), (_LABEL, of_label)):
            mantissa, exponent = writer.load_pair(alpha, kind)
            scale = writer.power_of_two(builder.fsub(builder.fadd(exponent, beta[kind][1]), whole))
            weight = builder.fmul(builder.fmul(mantissa, beta[kind][0]), scale)
            writer.store(weight, weights, kind)
            writer.store_pair(writer.product(beta[kind], of_class), later, kind)
        return context.get_dummy_value()

    addresses = (types.int64,) * 5
    numbers = (blank, blank_exponent)
    return types.void(*addresses, *numbers, types.int64, likelihood, types.int64), generate
