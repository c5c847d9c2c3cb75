// Functions of single elements, with the memory read and written 16 bytes at a time where the arrays allow
// it: it is busy with fewer, larger requests then. What such kernels need is time for memory and nothing
// else.

#include "common.cuh"

// So many elements go together: 16 bytes of Real. Of another type they take more or fewer.
constexpr int PACK_SIZE = 16 / sizeof(Real);

template <class Number>
__device__ constexpr int pack_alignment() {
    return PACK_SIZE * sizeof(Number) < 16 ? PACK_SIZE * sizeof(Number) : 16;
}

template <class Number>
struct alignas(pack_alignment<Number>()) Pack {
    Number values[PACK_SIZE];
};

// What lies at an address, as several elements in one. The GPU can't get at it where none starts; the
// emulation says so.
template <class Whole, class Number>
__device__ inline Whole* aligned_cast(Number* address) {
#ifdef CUDA_EMULATION
    if (reinterpret_cast<unsigned long long>(address) % alignof(Whole) != 0) {
        emulation::fail(*emulation::machine.current, "accesses several elements at once that aren't aligned");
    }
#endif
    return reinterpret_cast<Whole*>(address);
}

// Arrays may start at any element of another array. An array that is not given is no obstacle.
template <class Number>
__device__ inline bool starts_a_pack(const Number* array) {
    return reinterpret_cast<unsigned long long>(array) % pack_alignment<Number>() == 0;
}

// Pack number i of an array.
template <class Number>
__device__ inline Pack<Number> load_pack(const Number* array, Index i) {
    return aligned_cast<const Pack<Number>>(array)[i];
}

template <class Number>
__device__ inline void store_pack(Number* array, Index i, const Pack<Number>& values) {
    aligned_cast<Pack<Number>>(array)[i] = values;
}

// y[i] = function(x[i], ...) for all i below `size`, with any number of arrays x. Called by all threads of a
// one-dimensional grid.
template <class Function, class... Inputs>
__device__ void map_elements(Index size, Real* y, Function function, const Inputs*... x) {
    Index done = 0;
    if (starts_a_pack(y) && (starts_a_pack(x) && ...)) {
        const Index packs = size / PACK_SIZE;
        for (Index i = first_index(); i < packs; i += index_step()) {
            const auto compute = [&](const auto&... loaded) {
                Pack<Real> result;
                for (int k = 0; k < PACK_SIZE; ++k) {
                    result.values[k] = function(Accumulator(loaded.values[k])...);
                }
                store_pack(y, i, result);
            };
            compute(load_pack(x, i)...);
        }
        done = packs * PACK_SIZE;
    }
    for (Index i = done + first_index(); i < size; i += index_step()) y[i] = function(Accumulator(x[i])...);
}
