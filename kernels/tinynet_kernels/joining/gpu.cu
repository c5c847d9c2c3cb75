// Copies matrices of the same height to their places side by side in a wide one, or from there. All of them
// in one launch: the grid's second axis counts them.

#include "packs.cuh"

// Copies `rows` rows of so many columns; rows start at every `source_pitch` and `target_pitch` elements, one
// of which is the number of columns.
__device__ void copy_rows(
    const Real* source, Index source_pitch, Real* target, Index target_pitch, Index rows, Index columns
) {
    const bool is_packed = starts_a_pack(source) && starts_a_pack(target) && source_pitch % PACK_SIZE == 0 &&
                           target_pitch % PACK_SIZE == 0;
    const Index together = is_packed ? PACK_SIZE : 1;
    const Index of_row = columns / together, all = rows * of_row;
    const bool is_short = all <= 0xFFFFFFFFll;  // dividing short numbers takes a fraction of the time
    for (Index i = first_index(); i < all; i += index_step()) {
        const Index row = is_short ? static_cast<unsigned>(i) / static_cast<unsigned>(of_row) : i / of_row;
        const Index column = (i - row * of_row) * together;
        const Real* from = source + row * source_pitch + column;
        Real* to = target + row * target_pitch + column;
        if (is_packed) {
            store_pack(to, 0, load_pack(from, 0));
        } else {
            *to = *from;
        }
    }
}

// The first column of every matrix in the wide one, and behind the last its end. Matrices that are not there
// are null pointers and have no columns.
extern "C" __global__ void join(
    const Real* part0, const Real* part1, const Real* part2, const Real* part3, Index start0, Index start1,
    Index start2, Index start3, Index end, Real* whole, Index rows, Index columns
) {
    const Real* const parts[] = {part0, part1, part2, part3};
    const Index starts[] = {start0, start1, start2, start3, end};
    const int i = blockIdx.y;
    const Index own = starts[i + 1] - starts[i];
    copy_rows(parts[i], own, whole + starts[i], columns, rows, own);
}

extern "C" __global__ void split(
    const Real* whole, Real* part0, Real* part1, Real* part2, Real* part3, Index start0, Index start1,
    Index start2, Index start3, Index end, Index rows, Index columns
) {
    Real* const parts[] = {part0, part1, part2, part3};
    const Index starts[] = {start0, start1, start2, start3, end};
    const int i = blockIdx.y;
    const Index own = starts[i + 1] - starts[i];
    copy_rows(whole + starts[i], columns, parts[i], own, rows, own);
}
