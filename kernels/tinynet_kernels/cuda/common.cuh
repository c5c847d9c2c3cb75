// What every kernel shares: the element type, its arithmetic, and who am I among all threads.
//
// A source is compiled once for each element type. `Real` is the type of the elements in memory, and
// `Accumulator` the type in which they are computed with: float for float and for Half, double for double.
// Loads and stores convert by themselves:
//
//     Accumulator value = x[i];
//     y[i] = value * value;

#if defined(REAL_FLOAT16)
// A number of 16 bits. It can only be kept; computing with it converts it to float.
struct Half {
    unsigned short bits;

    Half() = default;

    __device__ Half(float value) {
#ifdef CUDA_EMULATION
        bits = emulation::half_bits(value);
#else
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
#endif
    }

    __device__ operator float() const {
#ifdef CUDA_EMULATION
        return emulation::half_value(bits);
#else
        float value;
        asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
        return value;
#endif
    }
};

using Real = Half;
using Accumulator = float;
#elif defined(REAL_FLOAT64)
using Real = double;
using Accumulator = double;
#elif defined(REAL_FLOAT32)
using Real = float;
using Accumulator = float;
#else
#error "one of REAL_FLOAT16, REAL_FLOAT32 and REAL_FLOAT64 must be defined"
#endif

// Sizes and places: arrays may have more than 2^31 elements.
using Index = long long;

__device__ inline Accumulator infinite() { return __uint_as_float(0x7F800000u); }

__device__ inline Accumulator not_a_number() { return __uint_as_float(0x7FFFFFFFu); }

// The grid-stride loop: thread t of T serves elements t, t + T, t + 2 T and so on, whatever T is.
// Neighbouring threads read neighbouring elements, which the memory delivers together.
//
//     for (Index i = first_index(); i < size; i += index_step()) ...
__device__ inline Index first_index() { return static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; }

__device__ inline Index index_step() { return static_cast<Index>(gridDim.x) * blockDim.x; }

template <class Number>
__device__ constexpr Number ceil_divide(Number a, Number b) {
    return (a + b - 1) / b;
}
