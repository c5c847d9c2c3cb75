// Squashing: a vector keeps its direction, and its length becomes one from 0 to 1. See __init__.py.

#include "reductions.cuh"

constexpr Accumulator EPSILON = 1e-7;

__device__ Accumulator squash_factor(Accumulator squared) {
    return squared / (1 + squared) / sqrt(squared + EPSILON);
}

// The derivative of the factor by the squared length.
__device__ Accumulator squash_slope(Accumulator squared) {
    const Accumulator root = sqrt(squared + EPSILON);
    return (1 / (1 + squared) - squared / (2 * root * root)) / (1 + squared) / root;
}

// The same for vectors of which every lane of a warp holds one number.
__device__ Accumulator squashed(Accumulator x) {
    return x * squash_factor(WarpTeam::reduce<Sum>(x * x));
}

__device__ Accumulator squashed_backward(Accumulator gy, Accumulator x) {
    const Accumulator squared = WarpTeam::reduce<Sum>(x * x), inner = WarpTeam::reduce<Sum>(x * gy);
    return gy * squash_factor(squared) + x * (2 * inner * squash_slope(squared));
}
