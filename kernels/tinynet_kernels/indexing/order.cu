// Puts indices in order. A key is an index with its position behind it, in the lower bits: no two are equal,
// and positions of the same index come in their own order, whichever way the keys are sorted.
//
// Tiles of keys are sorted first, then pairs of sorted parts are merged until there is one. A key's place is
// the number of smaller keys. In a tile they are counted. When two sorted parts are merged, those of its own
// part are the ones before it, and those of the other are found by halving.

#include "common.cuh"

constexpr int TILE = 256;  // and the number of threads

// How many keys of a sorted part are smaller.
__device__ Index smaller_keys(const unsigned long long* part, Index size, unsigned long long key) {
    Index first = 0, end = size;
    while (first < end) {
        const Index middle = first + (end - first) / 2;
        if (part[middle] < key) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first;
}

// Indices below 0 count from the end, and those outside begin again at the other end.
extern "C" __global__ void sort_tiles(
    const Index* indices, unsigned long long* keys, Index size, Index count, int position_bits
) {
    __shared__ unsigned long long tile[TILE];
    const Index first = static_cast<Index>(blockIdx.x) * TILE, position = first + threadIdx.x;
    unsigned long long own = 0;
    if (position < size) {
        Index index = indices[position] % count;
        if (index < 0) index += count;
        own = static_cast<unsigned long long>(index) << position_bits;
        own |= static_cast<unsigned long long>(position);
    }
    tile[threadIdx.x] = own;
    __syncthreads();
    if (position >= size) return;
    const int filled = static_cast<int>(min(Index(TILE), size - first));
    int place = 0;
    for (int k = 0; k < filled; ++k) place += tile[k] < own;
    keys[first + place] = own;
}

// Parts of `run` keys, a power of two, are sorted; in `to` those of twice as many are.
extern "C" __global__ void merge(
    const unsigned long long* from, unsigned long long* to, Index size, Index run
) {
    for (Index at = first_index(); at < size; at += index_step()) {
        const Index first = at & ~(2 * run - 1), middle = min(first + run, size);
        const unsigned long long own = from[at];
        const bool is_left = at < middle;
        const Index other = is_left ? middle : first, end = is_left ? min(first + 2 * run, size) : middle;
        const Index before = is_left ? at : at - run;
        to[before + smaller_keys(from + other, end - other, own)] = own;
    }
}

// For each index from 0 to `count`: how many keys have a smaller one.
extern "C" __global__ void find_starts(
    const unsigned long long* keys, Index size, Index* starts, Index count, int position_bits
) {
    for (Index index = first_index(); index <= count; index += index_step()) {
        starts[index] = smaller_keys(keys, size, static_cast<unsigned long long>(index) << position_bits);
    }
}
