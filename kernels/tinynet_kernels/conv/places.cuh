// Where things lie in the arrays of a convolution, and several neighbouring channels at a time.
//
// Places are of 32 bits: dividing those is several times as fast as dividing those of 64. The wrappers see to
// it that no array of a launch has 2^31 elements or more.

#include "packs.cuh"
#include "windows.cuh"

// A pixel of an array (N, d, h, w, channels).
struct Pixel {
    int n, d, h, w;
};

__device__ inline Pixel pixel_of(unsigned i, unsigned depth, unsigned height, unsigned width) {
    Pixel pixel;
    pixel.w = static_cast<int>(i % width), i /= width;
    pixel.h = static_cast<int>(i % height), i /= height;
    pixel.d = static_cast<int>(i % depth), pixel.n = static_cast<int>(i / depth);
    return pixel;
}

__device__ inline int input_number(const Volume& v, int n, int d, int h, int w) {
    return ((n * v.d.input + d) * v.h.input + h) * v.w.input + w;
}

__device__ inline int output_number(const Volume& v, int n, int d, int h, int w) {
    return ((n * v.d.output + d) * v.h.output + h) * v.w.output + w;
}

// The loop over pieces of work, with places of 32 bits; see first_index in common.cuh.
__device__ inline unsigned first_piece() { return blockIdx.x * blockDim.x + threadIdx.x; }

__device__ inline unsigned piece_step() { return gridDim.x * blockDim.x; }

// SIZE neighbouring channels: one, or a pack.
template <int SIZE>
struct Channels {
    Accumulator values[SIZE];
};

template <int SIZE>
__device__ inline Channels<SIZE> load_channels(const Real* start) {
    Channels<SIZE> channels;
    if constexpr (SIZE == 1) {
        channels.values[0] = *start;
    } else {
        const Pack<Real> pack = load_pack(start, 0);
        for (int j = 0; j < SIZE; ++j) channels.values[j] = pack.values[j];
    }
    return channels;
}

template <int SIZE>
__device__ inline void store_channels(Real* start, const Channels<SIZE>& channels) {
    if constexpr (SIZE == 1) {
        *start = channels.values[0];
    } else {
        Pack<Real> pack;
        for (int j = 0; j < SIZE; ++j) pack.values[j] = channels.values[j];
        store_pack(start, 0, pack);
    }
}

// Whether channels can be loaded by packs from all of these arrays. One that is not given is no obstacle.
template <class... Arrays>
__device__ inline bool are_packed(int channels, const Arrays*... arrays) {
    return channels % PACK_SIZE == 0 && (starts_a_pack(arrays) && ...);
}
