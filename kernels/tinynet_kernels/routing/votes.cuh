// Casting votes, and turning agreement into coefficients, by the threads of a block together.
//
// A thread is one sample and one upper capsule: the 32 lanes of a warp are samples, its warps are the upper
// capsules. It goes through some lower capsules, makes its vote of each in registers, and needs of the other
// upper capsules nothing but one number for the softmax, which the warps pass to each other in shared memory. So
// no vote is ever in memory. Votes are made anew in every iteration: that is a few multiplications for each
// number, while fetching them would take longer.
//
// What is read for every vote lies with the samples last, so that the lanes of a warp read without gaps: the
// lower capsules as (I, K, N), coefficients as (I, O, N), and vectors, such as `known`, as (O, D, N).
//
// Variants: SIZE, which is at least D and at most 32.

#include "reductions.cuh"

constexpr int MOST_UPPER = 16, ROWS = 8;

// What the threads of a block have in common when they cast votes.
struct Shape {
    Index samples, lower;
    int lower_size, upper, upper_size;
};

// Which sample and upper capsule this thread is.
struct Voter {
    int lane, upper;
    Index sample;
    bool exists;

    __device__ explicit Voter(const Shape& shape)
        : lane(threadIdx.x % WARP),
          upper(threadIdx.x / WARP),
          sample(static_cast<Index>(blockIdx.x) * WARP + lane),
          exists(sample < shape.samples) {}
};

// The vote of lower capsule i: votes[d] = sum over k of u[n, i, k] * weight[i, o, k, d], and 0 beyond D.
// All lanes of a warp have the same weights, some rows of which they fetch together.
__device__ void cast_vote(
    const Real* u, const Real* weight, const Shape& shape, const Voter& voter, Index i, Accumulator* votes
) {
    __align__(16) __shared__ Accumulator rows_of_warps[MOST_UPPER][ROWS][SIZE];
    auto& rows = rows_of_warps[voter.upper];
    weight += (i * shape.upper + voter.upper) * shape.lower_size * shape.upper_size;
    u += i * shape.lower_size * shape.samples + voter.sample;
    for (int d = 0; d < SIZE; ++d) votes[d] = 0;
    for (int first = 0; first < shape.lower_size; first += ROWS) {
        __syncwarp(EVERYONE);  // everybody has read the rows before
        for (int j = voter.lane; j < ROWS * SIZE; j += WARP) {
            const int k = first + j / SIZE, d = j % SIZE;
            const bool exists = k < shape.lower_size && d < shape.upper_size;
            rows[j / SIZE][d] = exists ? Accumulator(weight[k * shape.upper_size + d]) : Accumulator(0);
        }
        __syncwarp(EVERYONE);
        const int count = min(ROWS, shape.lower_size - first);
        for (int k = 0; k < count; ++k) {
            const Accumulator x = voter.exists ? Accumulator(u[(first + k) * shape.samples]) : Accumulator(0);
#pragma unroll
            for (int d = 0; d < SIZE; ++d) votes[d] += x * rows[k][d];
        }
    }
}

// The product of a vote with the vector (of those of all upper capsules and samples) that it votes on.
__device__ Accumulator agreement(
    const Accumulator* votes, const Accumulator* vectors, const Shape& shape, const Voter& voter
) {
    if (!voter.exists) return 0;
    vectors += voter.upper * shape.upper_size * shape.samples + voter.sample;
    Accumulator total = 0;
#pragma unroll
    for (int d = 0; d < SIZE; ++d) {
        if (d < shape.upper_size) total += votes[d] * vectors[d * shape.samples];
    }
    return total;
}

// One number of every thread, for those of the same sample. `turn` alternates between 0 and 1 from one call
// to the next, so that nobody writes where others are still reading.
using Exchange = Accumulator[2][MOST_UPPER][WARP];

// The softmax over the upper capsules.
__device__ Accumulator coefficient(
    Accumulator logit, Exchange& exchange, int turn, const Shape& shape, const Voter& voter
) {
    auto& logits = exchange[turn];
    logits[voter.upper][voter.lane] = logit;
    __syncthreads();
    Accumulator largest = -infinite(), total = 0;
    for (int o = 0; o < shape.upper; ++o) largest = Maximum::combine(largest, logits[o][voter.lane]);
    for (int o = 0; o < shape.upper; ++o) total += exp(logits[o][voter.lane] - largest);
    return exp(logit - largest) / total;
}

// The sum over the upper capsules.
__device__ Accumulator sum_over_upper(
    Accumulator value, Exchange& exchange, int turn, const Shape& shape, const Voter& voter
) {
    auto& values = exchange[turn];
    values[voter.upper][voter.lane] = value;
    __syncthreads();
    Accumulator total = 0;
    for (int o = 0; o < shape.upper; ++o) total += values[o][voter.lane];
    return total;
}

__device__ void store_partial(
    const Accumulator* sums, Accumulator* partial, const Shape& shape, const Voter& voter
) {
    if (!voter.exists) return;
    partial += ((blockIdx.y * shape.samples + voter.sample) * shape.upper + voter.upper) * shape.upper_size;
    for (int d = 0; d < SIZE; ++d) {
        if (d < shape.upper_size) partial[d] = sums[d];
    }
}
