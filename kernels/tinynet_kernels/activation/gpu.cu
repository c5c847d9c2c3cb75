// Activation functions: one launch each, limited by memory. Sums over columns are in column_sums.cu.

#include "packs.cuh"

// 1 / (1 + exp(-x)), to the last digits for x of any size: the exponential is of a number that is not above
// 0.
__device__ inline Accumulator gate(Accumulator x) {
    const Accumulator decay = exp(x < 0 ? x : -x);
    return (x < 0 ? decay : Accumulator(1)) / (1 + decay);
}

// The distribution function of the standard normal distribution.
__device__ inline Accumulator normal_distribution(Accumulator x) {
    return Accumulator(0.5) * erfc(x * Accumulator(-0.70710678118654752440));  // sqrt(1/2)
}

extern "C" __global__ void relu_forward(const Real* x, Real* y, Index size) {
    const auto function = [](Accumulator a) { return a < 0 ? Accumulator(0) : a; };
    map_elements(size, y, function, x);
}

extern "C" __global__ void relu_backward(const Real* gy, const Real* y, Real* gx, Index size) {
    const auto function = [](Accumulator g, Accumulator b) { return b > 0 ? g : Accumulator(0); };
    map_elements(size, gx, function, gy, y);
}

extern "C" __global__ void add_relu_forward(const Real* x, const Real* y, Real* z, Index size) {
    const auto function = [](Accumulator a, Accumulator b) { return a + b < 0 ? Accumulator(0) : a + b; };
    map_elements(size, z, function, x, y);
}

extern "C" __global__ void leaky_relu_forward(const Real* x, Real* y, Accumulator slope, Index size) {
    const auto function = [=](Accumulator a) { return a > 0 ? a : a * slope; };
    map_elements(size, y, function, x);
}

extern "C" __global__ void leaky_relu_backward(
    const Real* gy, const Real* x, Real* gx, Accumulator slope, Index size
) {
    const auto function = [=](Accumulator g, Accumulator a) { return a > 0 ? g : g * slope; };
    map_elements(size, gx, function, gy, x);
}

extern "C" __global__ void elu_forward(
    const Real* x, Real* y, Accumulator slope, Accumulator height, Index size
) {
    const auto function = [=](Accumulator a) { return a > 0 ? a * slope : expm1(a) * height; };
    map_elements(size, y, function, x);
}

extern "C" __global__ void elu_backward(
    const Real* gy, const Real* x, Real* gx, Accumulator slope, Accumulator height, Index size
) {
    const auto function = [=](Accumulator g, Accumulator a) { return g * (a > 0 ? slope : exp(a) * height); };
    map_elements(size, gx, function, gy, x);
}

extern "C" __global__ void sigmoid_forward(const Real* x, Real* y, Index size) {
    map_elements(size, y, [](Accumulator a) { return gate(a); }, x);
}

extern "C" __global__ void sigmoid_backward(const Real* gy, const Real* y, Real* gx, Index size) {
    map_elements(size, gx, [](Accumulator g, Accumulator b) { return g * (b * (1 - b)); }, gy, y);
}

extern "C" __global__ void silu_forward(const Real* x, Real* y, Index size) {
    map_elements(size, y, [](Accumulator a) { return a * gate(a); }, x);
}

extern "C" __global__ void silu_backward(const Real* gy, const Real* x, Real* gx, Index size) {
    const auto function = [](Accumulator g, Accumulator a) {
        const Accumulator share = gate(a);
        return g * (share * (1 + a * (1 - share)));
    };
    map_elements(size, gx, function, gy, x);
}

extern "C" __global__ void tanh_forward(const Real* x, Real* y, Index size) {
    map_elements(size, y, [](Accumulator a) { return tanh(a); }, x);
}

extern "C" __global__ void tanh_backward(const Real* gy, const Real* y, Real* gx, Index size) {
    map_elements(size, gx, [](Accumulator g, Accumulator b) { return g * (1 - b * b); }, gy, y);
}

extern "C" __global__ void softplus_forward(
    const Real* x, Real* y, Accumulator beta, Accumulator threshold, Index size
) {
    const auto function = [=](Accumulator a) {
        const Accumulator scaled = a * beta;
        const Accumulator above = scaled > 0 ? scaled : Accumulator(0);
        return scaled > threshold ? a : (above + log1p(exp(scaled > 0 ? -scaled : scaled))) / beta;
    };
    map_elements(size, y, function, x);
}

extern "C" __global__ void softplus_backward(
    const Real* gy, const Real* x, Real* gx, Accumulator beta, Accumulator threshold, Index size
) {
    const auto function = [=](Accumulator g, Accumulator a) {
        return a * beta > threshold ? g : g * gate(a * beta);
    };
    map_elements(size, gx, function, gy, x);
}

extern "C" __global__ void gelu_forward(const Real* x, Real* y, Index size) {
    map_elements(size, y, [](Accumulator a) { return a * normal_distribution(a); }, x);
}

extern "C" __global__ void gelu_backward(const Real* gy, const Real* x, Real* gx, Index size) {
    const auto function = [](Accumulator g, Accumulator a) {
        const Accumulator density = Accumulator(0.39894228040143267794) * exp(a * a * Accumulator(-0.5));
        // Infinity times the density, which is 0 there, is meant to be 0.
        const Accumulator slope = density > 0 || a != a ? a * density : Accumulator(0);
        return g * (normal_distribution(a) + slope);
    };
    map_elements(size, gx, function, gy, x);
}
