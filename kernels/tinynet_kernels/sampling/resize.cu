// An axis made longer or shorter: a thread for every number of the result. Backwards as well: it gathers from
// those new elements that lie beside its own. scales.py says where that is.
//
// x is (outer, before, inner) and y (outer, after, inner). WHOLE is the type for sizes and places: int unless
// they need more.

#include "common.cuh"

using Whole = WHOLE;

struct Axis {
    Whole before, after, step, offset, divisor;
    bool interpolates;

    __device__ Axis(Index before, Index after, Index step, Index offset, Index divisor, bool interpolates)
        : before(before), after(after), step(step), offset(offset), divisor(divisor),
          interpolates(interpolates) {}

    __device__ Whole numerator(Whole j) const { return max(step * j + offset, Whole(0)); }

    // The old element at or below the place of the new element j.
    __device__ Whole lower(Whole j) const { return numerator(j) / divisor; }

    // How far that place is on the way from the old element `lower`, at or below it, to the next one.
    __device__ Accumulator share(Whole j, Whole lower) const {
        if (!interpolates || lower == before - 1) return 0;
        return Accumulator(numerator(j) - lower * divisor) / Accumulator(divisor);
    }

    // The first new element at or above the old element k.
    __device__ Whole first_at(Whole k) const {
        const Whole wanted = k * divisor - offset;
        if (k <= 0 || wanted <= 0) return 0;
        return step == 0 ? after : min(ceil_divide(wanted, step), after);
    }
};

extern "C" __global__ void resize_forward(
    const Real* x, Real* y, Index size, Index inner, Index before, Index after, Index step, Index offset,
    Index divisor, bool interpolates
) {
    const Axis axis(before, after, step, offset, divisor, interpolates);
    const Whole run = inner;
    for (Index index = first_index(); index < size; index += index_step()) {
        const Whole at = index, row = at / run, i = at - row * run;
        const Whole outer = row / axis.after, j = row - outer * axis.after;
        const Whole lower = axis.lower(j);
        const Real* from = x + (outer * axis.before + lower) * run + i;
        const Accumulator share = axis.share(j, lower);
        Accumulator value = from[0];
        if (share != 0) value = (1 - share) * value + share * Accumulator(from[run]);
        y[index] = value;
    }
}

extern "C" __global__ void resize_backward(
    const Real* gy, Real* gx, Index size, Index inner, Index before, Index after, Index step, Index offset,
    Index divisor, bool interpolates
) {
    const Axis axis(before, after, step, offset, divisor, interpolates);
    const Whole run = inner;
    for (Index index = first_index(); index < size; index += index_step()) {
        const Whole at = index, row = at / run, i = at - row * run;
        const Whole outer = row / axis.before, k = row - outer * axis.before;
        const Real* from = gy + outer * axis.after * run + i;
        const Whole own = axis.first_at(k), end = axis.first_at(k + 1);
        Accumulator sum = 0;
        for (Whole j = interpolates ? axis.first_at(k - 1) : own; j < own; ++j) {
            const Accumulator share = axis.share(j, k - 1);
            if (share != 0) sum += share * Accumulator(from[j * run]);
        }
        for (Whole j = own; j < end; ++j) sum += (1 - axis.share(j, k)) * Accumulator(from[j * run]);
        gx[index] = sum;
    }
}
