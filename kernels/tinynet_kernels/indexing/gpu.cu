// Sums of rows of the same index: a thread for every number of the result, which finds its rows in the sorted
// keys (see order.cu), and adds them in the order in which they came.

#include "common.cuh"

// `start` may be a null pointer, for zeros.
extern "C" __global__ void add_rows(
    const unsigned long long* keys, const Index* starts, const Real* rows, const Real* start, Real* total,
    Index size, Index width, int position_bits
) {
    const unsigned long long positions = (1ull << position_bits) - 1;
    for (Index at = first_index(); at < size; at += index_step()) {
        const Index index = at / width, column = at - index * width;
        const Index end = starts[index + 1];
        Accumulator sum = 0;
        if (start != nullptr) sum = start[at];
#pragma unroll 4
        for (Index k = starts[index]; k < end; ++k) {
            sum += Accumulator(rows[static_cast<Index>(keys[k] & positions) * width + column]);
        }
        total[at] = sum;
    }
}
