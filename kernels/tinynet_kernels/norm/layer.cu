// Layer normalisation of the rows of a matrix (rows, columns).
//
// A row belongs to a team of threads, of which each serves the columns rank, rank + size and so on. It is
// read several times, but from the main memory only once: the later times it is in the cache.

#include "reductions.cuh"

constexpr int THREADS = 256;
constexpr Accumulator FAR = 16;  // variances: a squared distance from which on a number counts as far away
constexpr int TOGETHER = 32;  // rows that are added up as they are, and these sums as double

__device__ inline Accumulator factor(const Real* gamma, Index c) {
    return gamma == nullptr ? Accumulator(1) : Accumulator(gamma[c]);
}

// Mean and biased variance.
struct Moments {
    Accumulator mean, variance;

    // Those of the distances from a number, for every thread of the team.
    template <class Team>
    __device__ static Moments of_distances(const Real* row, Index columns, Accumulator origin) {
        Accumulator distances = 0, squares = 0;
        for (Index c = Team::rank(); c < columns; c += Team::size()) {
            const Accumulator distance = Accumulator(row[c]) - origin;
            distances += distance;
            squares += distance * distance;
        }
        const Accumulator mean = Team::template reduce<Sum>(distances) / columns;
        return {mean, Team::template reduce<Sum>(squares) / columns - mean * mean};
    }

    // Those of a row, of at least one number, by the distances from the first. If that lies far outside of
    // the others, too few digits are left of the variance, and distances from the mean found so far take
    // their place.
    template <class Team>
    __device__ static Moments of_row(const Real* row, Index columns) {
        Accumulator origin = row[0];
        Moments moments = of_distances<Team>(row, columns, origin);
        if (moments.mean * moments.mean > FAR * moments.variance) {
            origin += moments.mean;
            moments = of_distances<Team>(row, columns, origin);
        }
        return {origin + moments.mean, moments.variance < 0 ? Accumulator(0) : moments.variance};
    }
};

template <class Team>
__device__ void normalize_rows(
    const Real* x, const Real* gamma, const Real* beta, Accumulator epsilon, Real* y, Real* mean,
    Real* inverse_std, Index rows, Index columns
) {
    for (Index m = Team::number(); m < rows; m += Team::count()) {
        const Real* row = x + m * columns;
        const Moments moments = columns > 0 ? Moments::of_row<Team>(row, columns) : Moments{0, 0};
        const Accumulator average = moments.mean, scale = 1 / sqrt(moments.variance + epsilon);
        for (Index c = Team::rank(); c < columns; c += Team::size()) {
            const Accumulator normalized = (Accumulator(row[c]) - average) * scale;
            const Accumulator shift = beta == nullptr ? Accumulator(0) : Accumulator(beta[c]);
            y[m * columns + c] = factor(gamma, c) * normalized + shift;
        }
        if (Team::rank() == 0) {
            mean[m] = average;
            inverse_std[m] = scale;
        }
    }
}

extern "C" __global__ void layer_forward_by_warps(
    const Real* x, const Real* gamma, const Real* beta, Accumulator epsilon, Real* y, Real* mean,
    Real* inverse_std, Index rows, Index columns
) {
    normalize_rows<WarpTeam>(x, gamma, beta, epsilon, y, mean, inverse_std, rows, columns);
}

extern "C" __global__ void layer_forward_by_blocks(
    const Real* x, const Real* gamma, const Real* beta, Accumulator epsilon, Real* y, Real* mean,
    Real* inverse_std, Index rows, Index columns
) {
    normalize_rows<BlockTeam>(x, gamma, beta, epsilon, y, mean, inverse_std, rows, columns);
}

// A block of threads goes through a block of rows, one after the other. Meanwhile every thread adds up what
// its columns give to gamma and beta: in shared memory, if that is large enough, and from time to time in the
// sums (blocks, 2, columns); these are nullptr if nobody wants them.
extern "C" __global__ void __launch_bounds__(THREADS) layer_backward(
    const Real* gy, const Real* x, const Real* gamma, const Real* mean, const Real* inverse_std, Real* gx,
    double* sums, bool in_shared, Index rows, Index columns, Index rows_of_block
) {
    extern __shared__ Accumulator of_columns[];
    const Index first = blockIdx.x * rows_of_block, end = min(first + rows_of_block, rows);
    double* weighted = sums + blockIdx.x * 2 * columns;
    double* plain = weighted + columns;
    for (Index m = first; m < end; ++m) {
        const Index start = m * columns;
        const Accumulator average = mean[m], scale = inverse_std[m];
        Accumulator shared = 0, along = 0;
        for (Index c = BlockTeam::rank(); c < columns; c += BlockTeam::size()) {
            const Accumulator g = Accumulator(gy[start + c]) * factor(gamma, c);
            shared += g;
            along += g * ((Accumulator(x[start + c]) - average) * scale);
        }
        shared = BlockTeam::reduce<Sum>(shared) / columns;
        along = BlockTeam::reduce<Sum>(along) / columns;
        const bool is_first = (m - first) % TOGETHER == 0;
        const bool is_last = (m - first) % TOGETHER == TOGETHER - 1 || m == end - 1;
        for (Index c = BlockTeam::rank(); c < columns; c += BlockTeam::size()) {
            const Accumulator g = gy[start + c];
            const Accumulator normalized = (Accumulator(x[start + c]) - average) * scale;
            gx[start + c] = scale * (g * factor(gamma, c) - shared - normalized * along);
            if (sums == nullptr) continue;
            Accumulator products = g * normalized, gradients = g;
            if (in_shared) {
                if (!is_first) products += of_columns[c], gradients += of_columns[columns + c];
                of_columns[c] = products;
                of_columns[columns + c] = gradients;
            }
            if (!in_shared || is_last) {
                const bool begins = m - first < (in_shared ? TOGETHER : 1);
                weighted[c] = products + (begins ? 0 : weighted[c]);
                plain[c] = gradients + (begins ? 0 : plain[c]);
            }
        }
    }
}

// Adds up the sums of the blocks, those of 32 columns in each block of threads.
extern "C" __global__ void __launch_bounds__(THREADS) add_layer_sums(
    const double* sums, Real* ggamma, Real* gbeta, Index blocks, Index columns
) {
    constexpr int LANES = THREADS / WARP;
    __shared__ double weighted[LANES][WARP];
    __shared__ double plain[LANES][WARP];
    const int place = threadIdx.x % WARP, lane = threadIdx.x / WARP;
    const Index column = static_cast<Index>(blockIdx.x) * WARP + place;
    double products = 0, gradients = 0;
    for (Index block = lane; column < columns && block < blocks; block += LANES) {
        products += sums[block * 2 * columns + column];
        gradients += sums[(block * 2 + 1) * columns + column];
    }
    weighted[lane][place] = products;
    plain[lane][place] = gradients;
    __syncthreads();
    if (lane > 0 || column >= columns) return;
    for (int other = 1; other < LANES; ++other) {
        products += weighted[other][place];
        gradients += plain[other][place];
    }
    ggamma[column] = static_cast<Accumulator>(products);
    gbeta[column] = static_cast<Accumulator>(gradients);
}
