// Squashing the rows of a matrix, each by a warp.

#include "squashing.cuh"

extern "C" __global__ void squash_forward(const Real* x, Real* y, Index rows, Index columns) {
    for (Index m = WarpTeam::number(); m < rows; m += WarpTeam::count()) {
        Accumulator squared = 0;
        for (Index c = WarpTeam::rank(); c < columns; c += WARP) {
            const Accumulator value = x[m * columns + c];
            squared += value * value;
        }
        const Accumulator factor = squash_factor(WarpTeam::reduce<Sum>(squared));
        for (Index c = WarpTeam::rank(); c < columns; c += WARP) {
            y[m * columns + c] = Accumulator(x[m * columns + c]) * factor;
        }
    }
}

extern "C" __global__ void squash_backward(
    const Real* gy, const Real* x, Real* gx, Index rows, Index columns
) {
    for (Index m = WarpTeam::number(); m < rows; m += WarpTeam::count()) {
        Accumulator squared = 0, inner = 0;
        for (Index c = WarpTeam::rank(); c < columns; c += WARP) {
            const Accumulator value = x[m * columns + c];
            squared += value * value;
            inner += value * Accumulator(gy[m * columns + c]);
        }
        squared = WarpTeam::reduce<Sum>(squared);
        inner = WarpTeam::reduce<Sum>(inner);
        const Accumulator factor = squash_factor(squared), along = 2 * inner * squash_slope(squared);
        for (Index c = WarpTeam::rank(); c < columns; c += WARP) {
            const Index i = m * columns + c;
            gx[i] = Accumulator(gy[i]) * factor + Accumulator(x[i]) * along;
        }
    }
}
