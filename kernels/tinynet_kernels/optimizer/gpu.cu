// Optimiser steps: every number of the parameters and of the state is read once and written once.
//
// A kernel computes one element from references to it and to its fellows in the other arrays;
// `update_elements` brings these, as many as 16 bytes hold at a time. Arrays that a call doesn't need are
// null.
//
// In a step that is captured into a graph, the numbers that may change from step to step are read from
// `renewed` (see cuda/capturing.py), in the order in which they are declared behind it; otherwise it is null.

#include "packs.cuh"

// Sets numbers to those of an array, if it is given.
template <class... Numbers>
__device__ inline void renew(const Accumulator* renewed, Numbers&... numbers) {
    if (renewed == nullptr) return;
    int i = 0;
    ((numbers = renewed[i++]), ...);
}

// An array that is not given reads as 0, and nothing is written to it, nor to the gradients.
template <class Number>
__device__ inline Number load_if_given(const Number* array, Index i) {
    return array == nullptr ? Number(0) : array[i];
}

template <class Number>
__device__ inline Pack<Number> load_pack_if_given(const Number* array, Index i) {
    return array == nullptr ? Pack<Number>{} : load_pack(array, i);
}

template <class Number>
__device__ inline void store_if_given(Number* array, Index i, Number value) {
    if (array != nullptr) array[i] = value;
}

template <class Number>
__device__ inline void store_if_given(Number* array, Index i, const Pack<Number>& values) {
    if (array != nullptr) store_pack(array, i, values);
}

template <class Number, class Values>
__device__ inline void store_if_given(const Number*, Index, const Values&) {}

// Calls update(arrays[i]...) with references for all i below `size`.
template <class Update, class... Numbers>
__device__ void update_elements(Index size, Update update, Numbers*... arrays) {
    Index done = 0;
    if ((starts_a_pack(arrays) && ...)) {
        const Index packs = size / PACK_SIZE;
        for (Index i = first_index(); i < packs; i += index_step()) {
            const auto compute = [&](auto... loaded) {
                for (int k = 0; k < PACK_SIZE; ++k) update(loaded.values[k]...);
                (store_if_given(arrays, i, loaded), ...);
            };
            compute(load_pack_if_given(arrays, i)...);
        }
        done = packs * PACK_SIZE;
    }
    for (Index i = done + first_index(); i < size; i += index_step()) {
        const auto compute = [&](auto... loaded) {
            update(loaded...);
            (store_if_given(arrays, i, loaded), ...);
        };
        compute(load_if_given(arrays, i)...);
    }
}

extern "C" __global__ void sgd_step(
    Real* parameters, const Real* gradients, Real* velocity, const Accumulator* renewed,
    Accumulator learning_rate, Accumulator momentum, Accumulator undamped, Accumulator weight_decay,
    bool nesterov, bool first_step, Index size
) {
    renew(renewed, learning_rate, momentum, undamped, weight_decay);
    const auto update = [=](Real& p, const Real& g, Real& v) {
        Accumulator direction = g + weight_decay * p;
        if (velocity != nullptr) {
            const Accumulator speed = first_step ? direction : momentum * v + undamped * direction;
            v = speed;
            direction = nesterov ? direction + momentum * speed : speed;
        }
        p -= learning_rate * direction;
    };
    update_elements(size, update, parameters, gradients, velocity);
}

// `keep` is what decoupled weight decay leaves of a parameter; `step_size` and `root_scale` correct the bias.
extern "C" __global__ void adam_step(
    Real* parameters, const Real* gradients, Real* first_moment, Real* second_moment,
    const Accumulator* renewed, Accumulator step_size, Accumulator root_scale, Accumulator beta1,
    Accumulator rest1, Accumulator beta2, Accumulator rest2, Accumulator epsilon, Accumulator weight_decay,
    Accumulator keep, Index size
) {
    renew(renewed, step_size, root_scale, beta1, rest1, beta2, rest2, epsilon, weight_decay, keep);
    const auto update = [=](Real& p, const Real& g, Real& m, Real& v) {
        const Accumulator gradient = g + weight_decay * p;
        m = beta1 * m + rest1 * gradient;
        v = beta2 * v + rest2 * (gradient * gradient);
        p = keep * p - step_size * m / (sqrt(v) * root_scale + epsilon);
    };
    update_elements(size, update, parameters, gradients, first_moment, second_moment);
}

extern "C" __global__ void rmsprop_step(
    Real* parameters, const Real* gradients, Real* square_average, Real* velocity, Real* gradient_average,
    const Accumulator* renewed, Accumulator learning_rate, Accumulator alpha, Accumulator rest,
    Accumulator epsilon, Accumulator momentum, Accumulator weight_decay, Index size
) {
    renew(renewed, learning_rate, alpha, rest, epsilon, momentum, weight_decay);
    const auto update = [=](Real& p, const Real& g, Real& s, Real& v, Real& a) {
        const Accumulator gradient = g + weight_decay * p;
        s = alpha * s + rest * (gradient * gradient);
        Accumulator variance = s;
        if (gradient_average != nullptr) {
            a = alpha * a + rest * gradient;
            variance = variance - a * a < 0 ? Accumulator(0) : variance - a * a;
        }
        Accumulator direction = gradient / (sqrt(variance) + epsilon);
        if (velocity != nullptr) direction = v = momentum * v + direction;
        p -= learning_rate * direction;
    };
    update_elements(size, update, parameters, gradients, square_average, velocity, gradient_average);
}

extern "C" __global__ void adagrad_step(
    Real* parameters, const Real* gradients, Real* square_sum, const Accumulator* renewed,
    Accumulator learning_rate, Accumulator epsilon, Accumulator weight_decay, Index size
) {
    renew(renewed, learning_rate, epsilon, weight_decay);
    const auto update = [=](Real& p, const Real& g, Real& s) {
        const Accumulator gradient = g + weight_decay * p;
        s += gradient * gradient;
        p -= learning_rate * gradient / (sqrt(s) + epsilon);
    };
    update_elements(size, update, parameters, gradients, square_sum);
}
