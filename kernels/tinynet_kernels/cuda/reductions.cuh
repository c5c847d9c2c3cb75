// Sums and maxima over teams of threads: a warp, or a whole block.
//
// A warp is 32 threads that run together. They can read each other's registers with shuffles: in five steps,
// of distance 16, 8, 4, 2 and 1, all of them have the sum of all 32. Warps of one block meet in shared
// memory.
//
// The order of the additions is fixed by the number of threads, so that results are the same in every run.

#include "common.cuh"

constexpr int WARP = 32;
constexpr unsigned EVERYONE = 0xFFFFFFFFu;

struct Sum {
    template <class Number>
    static __device__ Number nothing() {
        return 0;
    }

    template <class Number>
    static __device__ Number combine(Number a, Number b) {
        return a + b;
    }
};

// The largest; NaN if any is NaN.
struct Maximum {
    template <class Number>
    static __device__ Number nothing() {
        return -infinite();
    }

    template <class Number>
    static __device__ Number combine(Number a, Number b) {
        return a > b || a != a ? a : b;
    }
};

// The 32 threads of a warp, which all have to call its functions.
struct WarpTeam {
    static __device__ int rank() { return threadIdx.x % WARP; }
    static __device__ int size() { return WARP; }

    // Which of all teams of the grid this is, and how many there are.
    static __device__ Index number() { return first_index() / WARP; }
    static __device__ Index count() { return index_step() / WARP; }

    // Every member gives a number and gets the result of all.
    template <class Operation, class Number>
    static __device__ Number reduce(Number value) {
        for (int distance = WARP / 2; distance > 0; distance /= 2) {
            value = Operation::combine(value, __shfl_xor_sync(EVERYONE, value, distance));
        }
        return value;
    }
};

// All threads of a one-dimensional block, a multiple of 32, which all have to call its functions.
struct BlockTeam {
    static __device__ int rank() { return threadIdx.x; }
    static __device__ int size() { return blockDim.x; }
    static __device__ Index number() { return blockIdx.x; }
    static __device__ Index count() { return gridDim.x; }

    template <class Operation, class Number>
    static __device__ Number reduce(Number value) {
        __shared__ Number of_warps[WARP];  // a block has 1024 threads at most
        const int lane = WarpTeam::rank(), warps = blockDim.x / WARP;
        value = WarpTeam::reduce<Operation>(value);
        if (lane == 0) of_warps[threadIdx.x / WARP] = value;
        __syncthreads();
        value = lane < warps ? of_warps[lane] : Operation::template nothing<Number>();
        __syncthreads();  // the next call may write only when everybody has read
        return WarpTeam::reduce<Operation>(value);
    }
};
