// Overlaps of boxes, their gradients, and non-maximum suppression. A box is its corners x0, y0, x1, y1.

#include "reductions.cuh"

constexpr int THREADS = 256;
constexpr int BITS = 64;  // of a word
using Word = unsigned long long;

__device__ inline Accumulator positive(Accumulator value) { return value < 0 ? Accumulator(0) : value; }

// What the edges of two boxes have in common is found by comparisons, which lose a NaN; but the area of a box
// with NaN is NaN, and with it the union.
struct Box {
    Accumulator x0, y0, x1, y1;

    __device__ static Box at(const Real* boxes, Index i) {
        return {boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]};
    }

    __device__ Accumulator area() const { return positive(x1 - x0) * positive(y1 - y0); }

    __device__ Accumulator common_width(const Box& other) const {
        return (other.x1 < x1 ? other.x1 : x1) - (other.x0 > x0 ? other.x0 : x0);
    }

    __device__ Accumulator common_height(const Box& other) const {
        return (other.y1 < y1 ? other.y1 : y1) - (other.y0 > y0 ? other.y0 : y0);
    }
};

__device__ inline Accumulator overlap(const Box& a, Accumulator area_a, const Box& b, Accumulator area_b) {
    const Accumulator shared = positive(a.common_width(b)) * positive(a.common_height(b));
    const Accumulator united = area_a + area_b - shared;
    return united == 0 ? Accumulator(0) : shared / united;
}

// y (sets, rows, columns) from a (sets, rows, 4) and b (sets, columns, 4). A thread keeps a box of b, and
// goes through the rows of its block.
extern "C" __global__ void __launch_bounds__(THREADS) intersection_over_union(
    const Real* a, const Real* b, Real* y, Index sets, Index rows, Index columns, int strip,
    Index rows_of_block
) {
    const int lane = threadIdx.x / strip, lanes = THREADS / strip;
    const Index column = static_cast<Index>(blockIdx.x) * strip + threadIdx.x % strip;
    if (lane >= lanes || column >= columns) return;
    const Index first = blockIdx.y * rows_of_block, end = min(first + rows_of_block, rows);
    for (Index set = blockIdx.z; set < sets; set += gridDim.z) {
        const Box other = Box::at(b, set * columns + column);
        const Accumulator area = other.area();
        for (Index row = set * rows + first + lane; row < set * rows + end; row += lanes) {
            const Box box = Box::at(a, row);
            y[row * columns + column] = overlap(box, box.area(), other, area);
        }
    }
}

// How much of a shared edge's gradient an own edge gets: 0, 1, or half where both are in one place.
__device__ inline Accumulator share(bool decides, bool is_equal) {
    return decides ? Accumulator(1) : is_equal ? Accumulator(0.5) : Accumulator(0);
}

// The gradient of boxes (sets, rows, 4) by their overlaps with others (sets, columns, 4). The gradient of the
// overlaps is gy, in which neighbouring boxes are `row_step` apart, and neighbouring others `column_step`. A
// block of threads for every box.
extern "C" __global__ void box_gradient(
    const Real* gy, const Real* boxes, const Real* others, Real* gradient, Index count, Index rows,
    Index columns, Index row_step, Index column_step
) {
    for (Index i = BlockTeam::number(); i < count; i += BlockTeam::count()) {
        const Index set = i / rows, row = i % rows;
        const Box box = Box::at(boxes, i);
        const Accumulator area = box.area();
        Accumulator left = 0, top = 0, right = 0, bottom = 0, per_own = 0;
        for (Index column = BlockTeam::rank(); column < columns; column += BlockTeam::size()) {
            const Box other = Box::at(others, set * columns + column);
            const Accumulator g = gy[set * rows * columns + row * row_step + column * column_step];
            const Accumulator width = box.common_width(other), height = box.common_height(other);
            const Accumulator shared = positive(width) * positive(height);
            const Accumulator united = area + other.area() - shared;
            const Accumulator scale = united == 0 ? Accumulator(0) : 1 / united, ratio = shared * scale;
            const Accumulator per_shared = g * (1 + ratio) * scale * Accumulator(width > 0 && height > 0);
            per_own -= g * ratio * scale;
            left += per_shared * positive(height) * share(box.x0 > other.x0, box.x0 == other.x0);
            top += per_shared * positive(width) * share(box.y0 > other.y0, box.y0 == other.y0);
            right += per_shared * positive(height) * share(box.x1 < other.x1, box.x1 == other.x1);
            bottom += per_shared * positive(width) * share(box.y1 < other.y1, box.y1 == other.y1);
        }
        left = BlockTeam::reduce<Sum>(left);
        top = BlockTeam::reduce<Sum>(top);
        right = BlockTeam::reduce<Sum>(right);
        bottom = BlockTeam::reduce<Sum>(bottom);
        per_own = BlockTeam::reduce<Sum>(per_own);
        if (BlockTeam::rank() == 0) {
            const Accumulator width = box.x1 - box.x0, height = box.y1 - box.y0;
            const Accumulator along_x = per_own * (positive(height) * Accumulator(width > 0));
            const Accumulator along_y = per_own * (positive(width) * Accumulator(height > 0));
            gradient[4 * i] = -left - along_x;
            gradient[4 * i + 1] = -top - along_y;
            gradient[4 * i + 2] = right + along_x;
            gradient[4 * i + 3] = bottom + along_y;
        }
    }
}

// -----------------------------------------------------------------------------------------------------------
// Non-maximum suppression

// order (sets, size): the boxes by falling scores, of equal scores the lower index first, then -1 for each
// that does not reach the least score. Every thread counts how many boxes come before its own.
extern "C" __global__ void order_boxes(
    const Real* scores, Real least_score, Index* order, Index sets, Index size
) {
    const Accumulator least = least_score;
    for (Index set = blockIdx.y; set < sets; set += gridDim.y) {
        for (Index i = first_index(); i < size; i += index_step()) {
            const Accumulator own = scores[set * size + i];
            const bool is_candidate = own >= least;
            Index before = 0;
            for (Index j = 0; j < size; ++j) {
                const Accumulator other = scores[set * size + j];
                if ((other >= least) != is_candidate) {
                    before += !is_candidate;
                } else {
                    before += (is_candidate && other > own) || ((!is_candidate || other == own) && j < i);
                }
            }
            order[set * size + before] = is_candidate ? i : -1;
        }
    }
}

// overlaps (sets, size, words): bit k of word w of a box, all in the order of scores, says whether it
// silences box 64 w + k behind it. A block of 64 threads writes one word of 64 boxes; those on the other side
// of the diagonal stay undefined.
extern "C" __global__ void __launch_bounds__(BITS) mark_overlaps(
    const Real* boxes, const Index* groups, const Index* order, Accumulator threshold,
    unsigned long long* overlaps, Index sets, Index size, Index words
) {
    __shared__ Box of_word[BITS];
    __shared__ Accumulator areas[BITS];
    __shared__ Index groups_of_word[BITS];
    const int rank = threadIdx.x;
    const Index word = blockIdx.x, behind = word * BITS;
    for (Index set = blockIdx.z; set < sets; set += gridDim.z) {
        const Index start = set * size;
        const int count = static_cast<int>(min(size - behind, Index(BITS)));
        const Index mine = rank < count ? order[start + behind + rank] : -1;
        __syncthreads();  // the word before has been read by everybody
        if (mine >= 0) {
            of_word[rank] = Box::at(boxes, start + mine);
            areas[rank] = of_word[rank].area();
            groups_of_word[rank] = groups == nullptr ? 0 : groups[start + mine];
        }
        const int candidates = __syncthreads_count(mine >= 0);
        for (Index rows = blockIdx.y; rows <= word; rows += gridDim.y) {
            const Index place = rows * BITS + rank, index = place < size ? order[start + place] : -1;
            if (index < 0) continue;
            const Box box = Box::at(boxes, start + index);
            const Accumulator area = box.area();
            const Index group = groups == nullptr ? 0 : groups[start + index];
            Word silenced = 0;
            for (int k = 0; k < candidates; ++k) {
                const bool counts = behind + k > place && groups_of_word[k] == group;
                if (counts && overlap(box, area, of_word[k], areas[k]) > threshold) silenced |= Word(1) << k;
            }
            overlaps[(start + place) * words + word] = silenced;
        }
    }
}

// Goes through the boxes of a set in the order of scores, a word of them at a time: a block for every set.
// Within a word each thread finds by itself which boxes are kept, one after the other; then all threads
// together add what these silence to the words behind, of which each has its own.
extern "C" __global__ void __launch_bounds__(THREADS) keep_boxes(
    const Index* order, const unsigned long long* overlaps, unsigned long long* silenced, Index* kept,
    Index* counts, Index size, Index words
) {
    __shared__ Word within[BITS];
    __shared__ Index indices[BITS];
    __shared__ Word before;
    const int rank = threadIdx.x;
    const Index start = blockIdx.x * size;
    Word* silenced_of_set = silenced + blockIdx.x * words;
    for (Index word = rank; word < words; word += THREADS) silenced_of_set[word] = 0;
    Index count = 0;
    for (Index word = 0; word < words; ++word) {
        const Index place = word * BITS + rank;
        if (rank < BITS) {
            indices[rank] = place < size ? order[start + place] : -1;
            within[rank] = indices[rank] < 0 ? 0 : overlaps[(start + place) * words + word];
        }
        if (word % THREADS == rank) before = silenced_of_set[word];
        __syncthreads();
        Word dropped = before, keeps = 0;
        for (int k = 0; k < BITS; ++k) {
            if (indices[k] < 0 || ((dropped >> k) & 1)) continue;
            keeps |= Word(1) << k;
            dropped |= within[k];
        }
        for (Index behind = word + 1 + (rank - (word + 1) % THREADS + THREADS) % THREADS; behind < words;
             behind += THREADS) {
            Word more = 0;
            for (Word rest = keeps; rest != 0; rest &= rest - 1) {
                const Index box = word * BITS + __ffsll(static_cast<long long>(rest)) - 1;
                more |= overlaps[(start + box) * words + behind];
            }
            silenced_of_set[behind] |= more;
        }
        if (rank < BITS && ((keeps >> rank) & 1)) {
            kept[start + count + __popcll(keeps & ((Word(1) << rank) - 1))] = indices[rank];
        }
        count += __popcll(keeps);
        __syncthreads();  // the next word may be put in its place only when everybody has read this one
    }
    for (Index i = count + rank; i < size; i += THREADS) kept[start + i] = -1;
    if (rank == 0) counts[blockIdx.x] = count;
}
