// Dropout: the random words of four elements at a time, used where they are made.
//
// Thread number c draws the four words of counter c, which decide about elements c, c + q, c + 2 q and c + 3
// q: in each of these four stretches, neighbouring threads serve neighbouring elements.

#include "packs.cuh"

constexpr int ROUNDS = 10, WORDS = 4;
constexpr unsigned M0 = 0xD2511F53u, M1 = 0xCD9E8D57u;  // multipliers
constexpr unsigned W0 = 0x9E3779B9u, W1 = 0xBB67AE85u;  // steps of the key

// Philox 4x32-10: four random words, from a counter whose upper half is 0.
__device__ inline void philox(
    unsigned long long counter, unsigned key0, unsigned key1, unsigned (&words)[WORDS]
) {
    unsigned c0 = static_cast<unsigned>(counter), c1 = static_cast<unsigned>(counter >> 32), c2 = 0, c3 = 0;
    for (int round = 0; round < ROUNDS; ++round) {
        const unsigned high0 = __umulhi(c0, M0), high1 = __umulhi(c2, M1);
        const unsigned low0 = c0 * M0, low1 = c2 * M1;
        c0 = high1 ^ c1 ^ key0, c1 = low1, c2 = high0 ^ c3 ^ key1, c3 = low0;
        key0 += W0, key1 += W1;
    }
    words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

// Calls use(i, keep) for every element i below `size`. The key is read from `key` if that is given.
template <class Use>
__device__ void decide(
    Index size, const unsigned* key, unsigned key0, unsigned key1, unsigned long long threshold, Use use
) {
    if (key != nullptr) key0 = key[0], key1 = key[1];
    const Index counters = ceil_divide<Index>(size, WORDS);
    for (Index counter = first_index(); counter < counters; counter += index_step()) {
        unsigned words[WORDS];
        philox(counter, key0, key1, words);
        for (int word = 0; word < WORDS; ++word) {
            const Index i = word * counters + counter;
            if (i < size) use(i, words[word] >= threshold);
        }
    }
}

extern "C" __global__ void draw_mask(
    bool* mask, const unsigned* key, unsigned key0, unsigned key1, unsigned long long threshold, Index size
) {
    decide(size, key, key0, key1, threshold, [=](Index i, bool keep) { mask[i] = keep; });
}

extern "C" __global__ void drop(
    const Real* x, Real* y, bool* mask, const unsigned* key, unsigned key0, unsigned key1,
    unsigned long long threshold, Accumulator scale, Index size
) {
    const auto use = [=](Index i, bool keep) {
        mask[i] = keep;
        y[i] = Accumulator(x[i]) * (keep ? scale : Accumulator(0));
    };
    decide(size, key, key0, key1, threshold, use);
}

extern "C" __global__ void apply_mask(
    const Real* gy, const bool* mask, Real* gx, Accumulator scale, Index size
) {
    map_elements(size, gx, [=](Accumulator g, Accumulator kept) { return g * (kept * scale); }, gy, mask);
}
