// Routing by agreement. The names are those of the formulas in __init__.py, the layouts those of votes.cuh.
//
// The sums over the lower capsules of a block are added up by another launch, in a fixed order.

#include "squashing.cuh"
#include "votes.cuh"

// The sums of one iteration over the lower capsules of each block: partial (blocks, N, O, D). Without `known`
// all logits are 0.
extern "C" __global__ void __launch_bounds__(MOST_UPPER * WARP) add_votes(
    const Real* u, const Real* weight, const Accumulator* known, Accumulator* partial, Index samples,
    Index lower, int lower_size, int upper, int upper_size, Index lower_of_block
) {
    __shared__ Exchange logits;
    const Shape shape{samples, lower, lower_size, upper, upper_size};
    const Voter voter(shape);
    const Index first = blockIdx.y * lower_of_block, end = min(first + lower_of_block, lower);
    Accumulator votes[SIZE], sums[SIZE];
    for (int d = 0; d < SIZE; ++d) sums[d] = 0;
    for (Index i = first; i < end; ++i) {
        cast_vote(u, weight, shape, voter, i, votes);
        const Accumulator logit = known == nullptr ? Accumulator(0) : agreement(votes, known, shape, voter);
        const Accumulator share = coefficient(logit, logits, i % 2, shape, voter);
#pragma unroll
        for (int d = 0; d < SIZE; ++d) sums[d] += share * votes[d];
    }
    store_partial(sums, partial, shape, voter);
}

// The coefficients of one iteration (I, O, N), and if `logit_gradients` (I, O, N) are wanted these as well,
// and the gradient by `known` over the lower capsules of each block: partial (blocks, N, O, D).
extern "C" __global__ void __launch_bounds__(MOST_UPPER * WARP) add_gradients(
    const Real* u, const Real* weight, const Accumulator* known, const Accumulator* sum_gradient,
    Accumulator* coefficients, Accumulator* logit_gradients, Accumulator* partial, Index samples, Index lower,
    int lower_size, int upper, int upper_size, Index lower_of_block
) {
    __shared__ Exchange logits, products;
    const Shape shape{samples, lower, lower_size, upper, upper_size};
    const Voter voter(shape);
    const Index first = blockIdx.y * lower_of_block, end = min(first + lower_of_block, lower);
    Accumulator votes[SIZE], sums[SIZE];
    for (int d = 0; d < SIZE; ++d) sums[d] = 0;
    for (Index i = first; i < end; ++i) {
        cast_vote(u, weight, shape, voter, i, votes);
        const Accumulator logit = agreement(votes, known, shape, voter);
        const Accumulator share = coefficient(logit, logits, i % 2, shape, voter);
        const Index place = (i * upper + voter.upper) * samples + voter.sample;
        if (voter.exists) coefficients[place] = share;
        if (logit_gradients == nullptr) continue;
        const Accumulator gradient = agreement(votes, sum_gradient, shape, voter);
        const Accumulator mean = sum_over_upper(gradient * share, products, i % 2, shape, voter);
        const Accumulator logit_gradient = share * (gradient - mean);
        if (voter.exists) logit_gradients[place] = logit_gradient;
#pragma unroll
        for (int d = 0; d < SIZE; ++d) sums[d] += logit_gradient * votes[d];
    }
    if (logit_gradients != nullptr) store_partial(sums, partial, shape, voter);
}

// In what follows a warp is a sample and an upper capsule, of whose D numbers every lane has one.

__device__ Accumulator sum_of_blocks(const Accumulator* partial, Index blocks, Index size, Index place) {
    Accumulator total = 0;
    for (Index block = 0; block < blocks; ++block) total += partial[block * size + place];
    return total;
}

// Ends an iteration: its sums (N, O, D), and what is known (O, D, N) after it. At the end of the last one
// there is nothing more to know, but the output y (N, O, D).
extern "C" __global__ void finish_sums(
    const Accumulator* partial, Real* sums, Accumulator* known, bool is_first, Real* y, Index blocks,
    Index samples, int upper, int upper_size
) {
    const Index rows = samples * upper;
    const int d = WarpTeam::rank();
    const bool exists = d < upper_size;
    for (Index row = WarpTeam::number(); row < rows; row += WarpTeam::count()) {
        const Index place = row * upper_size + d;
        const Index turned = (row % upper * upper_size + d) * samples + row / upper;
        const Accumulator total = exists ? sum_of_blocks(partial, blocks, rows * upper_size, place) : 0;
        const Accumulator output = squashed(total);
        if (!exists) continue;
        sums[place] = total;
        if (y != nullptr) {
            y[place] = output;
        } else {
            known[turned] = (is_first ? Accumulator(0) : known[turned]) + output;
        }
    }
}

// What is known before iteration t is vectors[2 * t], and the gradient by the sums of iteration t is
// vectors[2 * t - 1], or vectors[0] for t = 0: these are (2 * iterations - 1, O, D, N). Of the gradients only
// the last is computed here.
extern "C" __global__ void prepare_vectors(
    const Real* gy, const Real* sums, Accumulator* vectors, int iterations, Index samples, int upper,
    int upper_size
) {
    const Index rows = samples * upper, size = rows * upper_size;
    const int d = WarpTeam::rank();
    const bool exists = d < upper_size;
    for (Index row = WarpTeam::number(); row < rows; row += WarpTeam::count()) {
        const Index place = row * upper_size + d;
        const Index turned = (row % upper * upper_size + d) * samples + row / upper;
        Accumulator known = 0, sum = 0;
        for (int t = 0; t < iterations; ++t) {
            if (t > 0 && exists) vectors[2 * t * size + turned] = known;
            sum = exists ? Accumulator(sums[t * size + place]) : Accumulator(0);
            known += squashed(sum);
        }
        const Accumulator gradient = squashed_backward(exists ? Accumulator(gy[place]) : Accumulator(0), sum);
        if (exists) vectors[max(2 * iterations - 3, 0) * size + turned] = gradient;
    }
}

// Ends an iteration of the backward pass: adds to the gradient by what is known (N, O, D), and makes of it
// that by the sums of the iteration before, (O, D, N).
extern "C" __global__ void finish_gradients(
    const Accumulator* partial, const Real* sums, Accumulator* known_gradient, bool is_first,
    Accumulator* sum_gradient, Index blocks, Index samples, int upper, int upper_size
) {
    const Index rows = samples * upper;
    const int d = WarpTeam::rank();
    const bool exists = d < upper_size;
    for (Index row = WarpTeam::number(); row < rows; row += WarpTeam::count()) {
        const Index place = row * upper_size + d;
        const Index turned = (row % upper * upper_size + d) * samples + row / upper;
        Accumulator total = 0, sum = 0;
        if (exists) {
            total = sum_of_blocks(partial, blocks, rows * upper_size, place);
            if (!is_first) total += known_gradient[place];
            known_gradient[place] = total;
            sum = sums[place];
        }
        const Accumulator gradient = squashed_backward(total, sum);
        if (exists) sum_gradient[turned] = gradient;
    }
}

// The gradient by the vote of lower capsule i on number d of upper capsule o is a sum of some terms,
// coefficients[term, i, o, n] * vectors[term, n, o, d]. The two kernels that follow make of it the gradients
// by the lower capsules and by the weights, ROWS numbers in each thread.

// A thread is a lower capsule of a sample. Vectors are (terms, O, D, N).
extern "C" __global__ void lower_gradient(
    const Accumulator* coefficients, const Accumulator* vectors, const Real* weight, Real* gu, int terms,
    Index samples, Index lower, int lower_size, int upper, int upper_size
) {
    const int first = blockIdx.y * ROWS;
    const Index of_coefficients = lower * upper * samples, of_vectors = samples * upper * upper_size;
    for (Index index = first_index(); index < lower * samples; index += index_step()) {
        const Index i = index / samples, n = index % samples;
        Accumulator sums[ROWS];
        for (int k = 0; k < ROWS; ++k) sums[k] = 0;
        for (int o = 0; o < upper; ++o) {
            const Accumulator* shares = coefficients + (i * upper + o) * samples + n;
            const Real* weights = weight + ((i * upper + o) * lower_size + first) * upper_size;
            for (int d = 0; d < upper_size; ++d) {
                const Accumulator* vector = vectors + (o * upper_size + d) * samples + n;
                Accumulator gradient = 0;
                for (int term = 0; term < terms; ++term) {
                    gradient += shares[term * of_coefficients] * vector[term * of_vectors];
                }
#pragma unroll
                for (int k = 0; k < ROWS; ++k) {
                    if (first + k >= lower_size) continue;
                    sums[k] += gradient * Accumulator(weights[k * upper_size + d]);
                }
            }
        }
        for (int k = 0; k < ROWS; ++k) {
            if (first + k < lower_size) gu[(n * lower + i) * lower_size + first + k] = sums[k];
        }
    }
}

// A thread is a number of an upper capsule, as a lower one votes on it. Vectors are (terms, N, O, D).
extern "C" __global__ void weight_gradient(
    const Accumulator* coefficients, const Accumulator* vectors, const Real* u, Real* gweight, int terms,
    Index samples, Index lower, int lower_size, int upper, int upper_size
) {
    const int first = blockIdx.y * ROWS;
    const Index columns = static_cast<Index>(upper) * upper_size;
    for (Index index = first_index(); index < lower * columns; index += index_step()) {
        const Index i = index / columns, column = index % columns, o = column / upper_size;
        const Accumulator* shares = coefficients + (i * upper + o) * samples;
        const Real* inputs = u + (i * lower_size + first) * samples;
        Accumulator sums[ROWS];
        for (int k = 0; k < ROWS; ++k) sums[k] = 0;
        for (Index n = 0; n < samples; ++n) {
            Accumulator gradient = 0;
            for (int term = 0; term < terms; ++term) {
                gradient += shares[term * lower * upper * samples + n]
                    * vectors[(term * samples + n) * columns + column];
            }
#pragma unroll
            for (int k = 0; k < ROWS; ++k) {
                if (first + k < lower_size) sums[k] += gradient * Accumulator(inputs[k * samples + n]);
            }
        }
        Real* results = gweight + ((i * upper + o) * lower_size + first) * upper_size + column % upper_size;
        for (int k = 0; k < ROWS; ++k) {
            if (first + k < lower_size) results[k * upper_size] = sums[k];
        }
    }
}
