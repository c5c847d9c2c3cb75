// Batch normalisation of the columns of a matrix (rows, columns), with a ReLU behind it if wanted, which may
// have a ceiling, as ReLU6 has.
//
// The matrix is cut into strips of up to 64 columns and into blocks of rows; a block of threads serves one
// block of rows of one strip, and every thread one column of it: neighbouring threads neighbouring columns,
// so that the memory is read without gaps. What a pass adds up over the rows is kept for every block, as
// double, and a warp for every column combines the blocks. So there are three launches in either direction:
// over all elements, over the blocks, and over all elements again.

#include "reductions.cuh"

constexpr int THREADS = 256;
constexpr int TOGETHER = 8;  // elements that a thread reads before it looks at the first of them

// What a thread has to do: a column, and its rows first, first + step and so on below end.
struct Share {
    int place, strip, lane, lanes;
    Index column, first, end;
    bool has_column;

    __device__ Share(Index rows, Index columns, int strip_columns, Index rows_of_block) {
        strip = strip_columns;
        place = threadIdx.x % strip;
        lane = threadIdx.x / strip;
        lanes = THREADS / strip;
        column = static_cast<Index>(blockIdx.x) * strip + place;
        has_column = lane < lanes && column < columns;
        first = blockIdx.y * rows_of_block + lane;
        end = has_column ? min((blockIdx.y + 1) * rows_of_block, rows) : first;
    }
};

// All parts of a column combined, for the thread of lane 0. All threads of the block call it.
template <class Part>
__device__ Part combine_lanes(const Share& share, const Part& part) {
    __shared__ Part parts[THREADS];
    parts[threadIdx.x] = part;
    for (int active = share.lanes; active > 1;) {
        const int half = (active + 1) / 2;
        __syncthreads();
        if (share.lane < active - half) parts[threadIdx.x].add(parts[threadIdx.x + half * share.strip]);
        active = half;
    }
    return parts[threadIdx.x];
}

// The values of all lanes of a warp combined, for lane 0.
template <class Part>
__device__ Part combine_warp(Part part) {
    for (int distance = WARP / 2; distance > 0; distance /= 2) part.add(part.of_lane_behind(distance));
    return part;
}

// -----------------------------------------------------------------------------------------------------------
// Statistics

// How many numbers there are, their mean, and the sum of their squared distances from it. Two such parts can
// be put together without losing digits, however large the mean is against the spread.
//
// Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
// variances" (1979), equations 2.1.
struct Moments {
    double count, mean, squares;

    __device__ void add(const Moments& other) {
        const double total = count + other.count;
        if (other.count == 0) return;
        const double distance = other.mean - mean, weight = other.count / total;
        mean += distance * weight;
        squares += other.squares + distance * distance * weight * count;
        count = total;
    }

    __device__ Moments of_lane_behind(int distance) const {
        return {
            __shfl_down_sync(EVERYONE, count, distance), __shfl_down_sync(EVERYONE, mean, distance),
            __shfl_down_sync(EVERYONE, squares, distance)
        };
    }
};

// The moments of a few numbers: their distances from a first guess of the mean correct that guess.
__device__ inline Moments moments_of(const Accumulator (&values)[TOGETHER], int count) {
    Accumulator sum = 0, distances = 0, squares = 0;
    for (int k = 0; k < TOGETHER; ++k) sum += k < count ? values[k] - values[0] : Accumulator(0);
    const Accumulator guess = values[0] + sum / count;
    for (int k = 0; k < TOGETHER; ++k) {
        const Accumulator distance = k < count ? values[k] - guess : Accumulator(0);
        distances += distance;
        squares += distance * distance;
    }
    const double correction = double(distances) / count;
    return {double(count), guess + correction, double(squares) - distances * correction};
}

extern "C" __global__ void __launch_bounds__(THREADS) block_moments(
    const Real* x, double* means, double* squares, Index rows, Index columns, int strip, Index rows_of_block
) {
    const Share share(rows, columns, strip, rows_of_block);
    Moments moments = {0, 0, 0};
    for (Index row = share.first; row < share.end; row += share.lanes * TOGETHER) {
        Accumulator values[TOGETHER] = {};
        int count = 0;
        for (int k = 0; k < TOGETHER; ++k) {
            const Index here = row + k * share.lanes;
            if (here < share.end) values[k] = x[here * columns + share.column], count = k + 1;
        }
        moments.add(moments_of(values, count));
    }
    moments = combine_lanes(share, moments);
    if (share.lane == 0 && share.has_column) {
        means[blockIdx.y * columns + share.column] = moments.mean;
        squares[blockIdx.y * columns + share.column] = moments.squares;
    }
}

// The statistics of the columns, and, with all digits, what the elements are normalised with.
extern "C" __global__ void add_moments(
    const double* means, const double* squares, double epsilon, Real* mean, Real* variance,
    Real* inverse_std, Accumulator* shift, Accumulator* scale, Index rows, Index columns, Index rows_of_block
) {
    const Index blocks = ceil_divide(rows, rows_of_block);
    for (Index column = WarpTeam::number(); column < columns; column += WarpTeam::count()) {
        Moments moments = {0, 0, 0};
        for (Index block = WarpTeam::rank(); block < blocks; block += WARP) {
            const Index count = min(rows_of_block, rows - block * rows_of_block), i = block * columns + column;
            moments.add({double(count), means[i], squares[i]});
        }
        moments = combine_warp(moments);
        if (WarpTeam::rank() == 0) {
            const double spread = rows > 0 ? moments.squares / rows : 0;
            mean[column] = shift[column] = static_cast<Accumulator>(moments.mean);
            variance[column] = static_cast<Accumulator>(spread);
            inverse_std[column] = scale[column] = static_cast<Accumulator>(1 / sqrt(spread + epsilon));
        }
    }
}

// -----------------------------------------------------------------------------------------------------------
// Normalising

// y[i] = function(x[i]) for what is the thread's.
template <class Function>
__device__ void map_share(const Share& share, Index columns, const Real* x, Real* y, Function function) {
    for (Index row = share.first; row < share.end; row += share.lanes * TOGETHER) {
        Accumulator values[TOGETHER] = {};
        for (int k = 0; k < TOGETHER; ++k) {
            const Index here = row + k * share.lanes;
            if (here < share.end) values[k] = x[here * columns + share.column];
        }
        for (int k = 0; k < TOGETHER; ++k) {
            const Index here = row + k * share.lanes;
            if (here < share.end) y[here * columns + share.column] = function(values[k]);
        }
    }
}

__device__ inline void normalize(
    const Share& share, Index columns, const Real* x, Real* y, Accumulator mean, Accumulator inverse_std,
    Accumulator gamma, Accumulator beta, bool rectifies, Accumulator ceiling
) {
    map_share(share, columns, x, y, [=](Accumulator value) {
        const Accumulator result = gamma * ((value - mean) * inverse_std) + beta;
        if (rectifies && result < 0) return Accumulator(0);
        return rectifies && result > ceiling ? ceiling : result;  // NaN stays
    });
}

extern "C" __global__ void __launch_bounds__(THREADS) batch_forward(
    const Real* x, const Real* gamma, const Real* beta, const Accumulator* shift, const Accumulator* scale,
    bool rectifies, Accumulator ceiling, Real* y, Index rows, Index columns, int strip, Index rows_of_block
) {
    const Share share(rows, columns, strip, rows_of_block);
    if (!share.has_column) return;
    const Index c = share.column;
    normalize(share, columns, x, y, shift[c], scale[c], gamma[c], beta[c], rectifies, ceiling);
}

extern "C" __global__ void __launch_bounds__(THREADS) batch_inference(
    const Real* x, const Real* gamma, const Real* beta, const Real* mean, const Real* variance,
    double epsilon, bool rectifies, Accumulator ceiling, Real* y, Index rows, Index columns, int strip, Index rows_of_block
) {
    const Share share(rows, columns, strip, rows_of_block);
    if (!share.has_column) return;
    const Index c = share.column;
    const Accumulator inverse_std = 1 / sqrt(Accumulator(variance[c]) + static_cast<Accumulator>(epsilon));
    normalize(share, columns, x, y, mean[c], inverse_std, gamma[c], beta[c], rectifies, ceiling);
}

// -----------------------------------------------------------------------------------------------------------
// Gradients

// Sums of gradients, and of their products with the normalised inputs.
struct Sums {
    double plain, weighted;

    __device__ void add(const Sums& other) { plain += other.plain, weighted += other.weighted; }

    __device__ Sums of_lane_behind(int distance) const {
        return {__shfl_down_sync(EVERYONE, plain, distance), __shfl_down_sync(EVERYONE, weighted, distance)};
    }
};

// The gradient before the rectifier, whose output y is nullptr if there is none.
__device__ inline Accumulator unrectified(const Real* gy, const Real* y, Accumulator ceiling, Index i) {
    const bool passes = y == nullptr || (Accumulator(y[i]) > 0 && Accumulator(y[i]) < ceiling);
    return passes ? Accumulator(gy[i]) : Accumulator(0);
}

// Several products are added up as they are, and these sums as double.
extern "C" __global__ void __launch_bounds__(THREADS) block_sums(
    const Real* gy, const Real* x, const Real* y, Accumulator ceiling, const Real* mean,
    const Real* inverse_std, double* plain, double* weighted, Index rows, Index columns, int strip, Index rows_of_block
) {
    const Share share(rows, columns, strip, rows_of_block);
    const Accumulator shift = share.has_column ? Accumulator(mean[share.column]) : Accumulator(0);
    const Accumulator scale = share.has_column ? Accumulator(inverse_std[share.column]) : Accumulator(0);
    Sums sums = {0, 0};
    for (Index row = share.first; row < share.end; row += share.lanes * TOGETHER) {
        Accumulator some = 0, products = 0;
        for (int k = 0; k < TOGETHER; ++k) {
            const Index here = row + k * share.lanes, i = here * columns + share.column;
            if (here >= share.end) continue;
            const Accumulator g = unrectified(gy, y, ceiling, i);
            some += g;
            products += g * ((Accumulator(x[i]) - shift) * scale);
        }
        sums.add({some, products});
    }
    sums = combine_lanes(share, sums);
    if (share.lane == 0 && share.has_column) {
        plain[blockIdx.y * columns + share.column] = sums.plain;
        weighted[blockIdx.y * columns + share.column] = sums.weighted;
    }
}

// The gradients by gamma and beta, and, with all digits, their means over the rows.
extern "C" __global__ void add_sums(
    const double* plain, const double* weighted, Real* ggamma, Real* gbeta, Accumulator* mean_weighted,
    Accumulator* mean_plain, Index rows, Index columns, Index rows_of_block
) {
    const Index blocks = ceil_divide(rows, rows_of_block);
    for (Index column = WarpTeam::number(); column < columns; column += WarpTeam::count()) {
        Sums sums = {0, 0};
        for (Index block = WarpTeam::rank(); block < blocks; block += WARP) {
            sums.add({plain[block * columns + column], weighted[block * columns + column]});
        }
        sums = combine_warp(sums);
        if (WarpTeam::rank() == 0) {
            ggamma[column] = static_cast<Accumulator>(sums.weighted);
            gbeta[column] = static_cast<Accumulator>(sums.plain);
            mean_weighted[column] = static_cast<Accumulator>(rows > 0 ? sums.weighted / rows : 0);
            mean_plain[column] = static_cast<Accumulator>(rows > 0 ? sums.plain / rows : 0);
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) input_gradient(
    const Real* gy, const Real* x, const Real* y, Accumulator ceiling, const Real* gamma, const Real* mean,
    const Real* inverse_std, const Accumulator* mean_weighted, const Accumulator* mean_plain, Real* gx,
    Index rows, Index columns, int strip, Index rows_of_block
) {
    const Share share(rows, columns, strip, rows_of_block);
    if (!share.has_column) return;
    const Index c = share.column;
    const Accumulator shift = mean[c], scale = inverse_std[c], factor = Accumulator(gamma[c]) * scale;
    const Accumulator plain = mean_plain[c], weighted = mean_weighted[c];
    for (Index row = share.first; row < share.end; row += share.lanes) {
        const Index i = row * columns + c;
        const Accumulator normalized = (Accumulator(x[i]) - shift) * scale;
        gx[i] = factor * (unrectified(gy, y, ceiling, i) - plain - normalized * weighted);
    }
}
