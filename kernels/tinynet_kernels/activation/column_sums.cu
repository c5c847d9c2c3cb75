// Sums over the rows of a matrix (rows, columns): what the gradient of a bias is.
//
// The matrix is cut into strips of up to 64 columns and into blocks of rows. A block of threads adds up one
// block of rows of one strip: neighbouring threads serve neighbouring columns, so that the memory is read
// without gaps, and as many rows at once as there are threads for. A second launch adds up the sums of the
// blocks.
//
// Sixteen numbers at a time are added up as they are, and these sums as double: the result has the digits of
// its type however many rows there are.

#include "reductions.cuh"

constexpr int THREADS = 256, TOGETHER = 16;

// Adds up value(row * columns + column) over this block's rows. All of the block's threads call it.
template <class Value>
__device__ void sum_block(
    Value value, double* sums, Index rows, Index columns, int strip, Index rows_of_block
) {
    __shared__ double of_threads[THREADS];
    const int place = threadIdx.x % strip, lane = threadIdx.x / strip, lanes = THREADS / strip;
    const Index column = static_cast<Index>(blockIdx.x) * strip + place;
    const Index first = blockIdx.y * rows_of_block, end = min(first + rows_of_block, rows);
    const bool is_busy = lane < lanes && column < columns;
    double total = 0;
    for (Index row = first + lane; is_busy && row < end; row += lanes * TOGETHER) {
        Accumulator some = 0;
        for (int k = 0; k < TOGETHER; ++k) {
            if (row + k * lanes < end) some += value((row + k * lanes) * columns + column);
        }
        total += some;
    }
    of_threads[threadIdx.x] = total;
    for (int active = lanes; active > 1;) {
        const int half = (active + 1) / 2;
        __syncthreads();
        if (lane < active - half) of_threads[threadIdx.x] += of_threads[threadIdx.x + half * strip];
        active = half;
    }
    if (lane == 0 && column < columns) sums[blockIdx.y * columns + column] = of_threads[threadIdx.x];
}

extern "C" __global__ void __launch_bounds__(THREADS) sum_blocks(
    const Real* x, double* sums, Index rows, Index columns, int strip, Index rows_of_block
) {
    const auto value = [=](Index i) { return Accumulator(x[i]); };
    sum_block(value, sums, rows, columns, strip, rows_of_block);
}

// Also writes what it adds up, the gradient before a rectifier: g = gy where y > 0.
extern "C" __global__ void __launch_bounds__(THREADS) mask_and_sum_blocks(
    const Real* gy, const Real* y, Real* g, double* sums, Index rows, Index columns, int strip,
    Index rows_of_block
) {
    const auto value = [=](Index i) {
        const Accumulator kept = Accumulator(y[i]) > 0 ? Accumulator(gy[i]) : Accumulator(0);
        g[i] = kept;
        return kept;
    };
    sum_block(value, sums, rows, columns, strip, rows_of_block);
}

// Adds up the sums of the blocks: a warp for every column.
extern "C" __global__ void add_blocks(const double* sums, Real* total, Index blocks, Index columns) {
    for (Index column = WarpTeam::number(); column < columns; column += WarpTeam::count()) {
        double sum = 0;
        for (Index block = WarpTeam::rank(); block < blocks; block += WARP) {
            sum += sums[block * columns + column];
        }
        sum = WarpTeam::reduce<Sum>(sum);
        if (WarpTeam::rank() == 0) total[column] = static_cast<Accumulator>(sum);
    }
}
