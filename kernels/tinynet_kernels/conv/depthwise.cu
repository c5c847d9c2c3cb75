// Depthwise convolution, channels-last: every output channel sees one input channel, of which come
// `multiplier` output channels. It is bound by the memory: there are few multiplications for each element.
//
// Neighbouring threads serve neighbouring channels, or packs of them. Forward a thread makes some outputs
// beside each other, so that it reads a weight once for all of them; the inputs that they share come from the
// cache. The input gradient gathers: a thread looks for the outputs that have seen its input.
//
// The weight gradient is a sum over all pixels. A block adds up some of them, for some channels and some taps
// of the window; add_parts in parts.cu adds up the blocks' sums, in their order.

#include "places.cuh"

constexpr int THREADS = 256;
constexpr int OUTPUTS = 4;  // beside each other, of one thread
constexpr int TAPS = 9;     // of the window, that a thread adds up at once

// -----------------------------------------------------------------------------------------------------------
// Forward

// OUTPUTS outputs from `first` on, or as many as there are in this line.
template <int SIZE>
__device__ void convolve_outputs(
    const Volume& v, const Pixel& first, int channels, int multiplier, int channel, const Real* x,
    const Real* weight, const Real* bias, bool rectifies, Real* y
) {
    const int input_channels = channels / multiplier, input_channel = channel / multiplier;
    Channels<SIZE> sums[OUTPUTS] = {};
    if (bias != nullptr) {
        const Channels<SIZE> start = load_channels<SIZE>(bias + channel);
        for (int t = 0; t < OUTPUTS; ++t) sums[t] = start;
    }
    for (int a = 0; a < v.d.window; ++a) {
        const int d = v.d.input_place(first.d, a);
        if (!v.d.is_inside(d)) continue;
        for (int b = 0; b < v.h.window; ++b) {
            const int h = v.h.input_place(first.h, b);
            if (!v.h.is_inside(h)) continue;
            const Real* line = x + input_number(v, first.n, d, h, 0) * input_channels + input_channel;
            const Real* weights = weight + (a * v.h.window + b) * v.w.window * channels + channel;
            for (int c = 0; c < v.w.window; ++c) {
                const Channels<SIZE> factor = load_channels<SIZE>(weights + c * channels);
                for (int t = 0; t < OUTPUTS; ++t) {
                    const int w = v.w.input_place(first.w + t, c);
                    if (first.w + t >= v.w.output || !v.w.is_inside(w)) continue;
                    const Channels<SIZE> seen = load_channels<SIZE>(line + w * input_channels);
                    for (int j = 0; j < SIZE; ++j) sums[t].values[j] += seen.values[j] * factor.values[j];
                }
            }
        }
    }
    for (int t = 0; t < OUTPUTS && first.w + t < v.w.output; ++t) {
        for (int j = 0; j < SIZE; ++j) {
            if (rectifies && sums[t].values[j] < 0) sums[t].values[j] = 0;  // NaN stays
        }
        const int number = output_number(v, first.n, first.d, first.h, first.w + t);
        store_channels(y + number * channels + channel, sums[t]);
    }
}

template <int SIZE>
__device__ void convolve(
    const Volume& v, int images, int channels, int multiplier, const Real* x, const Real* weight,
    const Real* bias, bool rectifies, Real* y
) {
    const unsigned groups = channels / SIZE, parts = ceil_divide(v.w.output, OUTPUTS);
    const unsigned pieces = images * v.d.output * v.h.output * parts * groups;
    for (unsigned i = first_piece(); i < pieces; i += piece_step()) {
        const int channel = static_cast<int>(i % groups) * SIZE;
        Pixel first = pixel_of(i / groups, v.d.output, v.h.output, parts);
        first.w *= OUTPUTS;
        convolve_outputs<SIZE>(v, first, channels, multiplier, channel, x, weight, bias, rectifies, y);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) depthwise_forward(
    const Real* x, const Real* weight, const Real* bias, bool rectifies, Real* y, int images, int channels,
    int multiplier,
    int input_d, int window_d, int stride_d, int before_d, int dilation_d, int output_d,
    int input_h, int window_h, int stride_h, int before_h, int dilation_h, int output_h,
    int input_w, int window_w, int stride_w, int before_w, int dilation_w, int output_w
) {
    const Volume v = {
        {input_d, window_d, stride_d, before_d, dilation_d, output_d},
        {input_h, window_h, stride_h, before_h, dilation_h, output_h},
        {input_w, window_w, stride_w, before_w, dilation_w, output_w}
    };
    if (multiplier == 1 && are_packed(channels, x, weight, bias, y)) {
        convolve<PACK_SIZE>(v, images, channels, 1, x, weight, bias, rectifies, y);
    } else {
        convolve<1>(v, images, channels, multiplier, x, weight, bias, rectifies, y);
    }
}

// -----------------------------------------------------------------------------------------------------------
// The input gradient

// Of SIZE channels of a pixel of x. SIZE is 1 unless the multiplier is.
template <int SIZE>
__device__ Channels<SIZE> gather(
    const Volume& v, const Pixel& here, int channels, int multiplier, int channel, const Real* gy,
    const Real* weight
) {
    const int outputs = channels * multiplier;
    Channels<SIZE> sums = {};
    visit_outputs(v, here.d, here.h, here.w, [&](int tap, int d, int h, int w) {
        const Real* gradients = gy + output_number(v, here.n, d, h, w) * outputs + channel * multiplier;
        const Real* weights = weight + tap * outputs + channel * multiplier;
        for (int m = 0; m < multiplier; ++m) {
            const Channels<SIZE> g = load_channels<SIZE>(gradients + m);
            const Channels<SIZE> factor = load_channels<SIZE>(weights + m);
            for (int j = 0; j < SIZE; ++j) sums.values[j] += g.values[j] * factor.values[j];
        }
    });
    return sums;
}

template <int SIZE>
__device__ void gather_all(
    const Volume& v, int images, int channels, int multiplier, const Real* gy, const Real* weight, Real* gx
) {
    const unsigned groups = channels / SIZE;
    const unsigned pieces = images * v.d.input * v.h.input * v.w.input * groups;
    for (unsigned i = first_piece(); i < pieces; i += piece_step()) {
        const int channel = static_cast<int>(i % groups) * SIZE;
        const Pixel here = pixel_of(i / groups, v.d.input, v.h.input, v.w.input);
        const Channels<SIZE> sums = gather<SIZE>(v, here, channels, multiplier, channel, gy, weight);
        const int number = input_number(v, here.n, here.d, here.h, here.w);
        store_channels(gx + number * channels + channel, sums);
    }
}

// `channels` are those of x.
extern "C" __global__ void __launch_bounds__(THREADS) depthwise_input_gradient(
    const Real* gy, const Real* weight, Real* gx, int images, int channels, int multiplier,
    int input_d, int window_d, int stride_d, int before_d, int dilation_d, int output_d,
    int input_h, int window_h, int stride_h, int before_h, int dilation_h, int output_h,
    int input_w, int window_w, int stride_w, int before_w, int dilation_w, int output_w
) {
    const Volume v = {
        {input_d, window_d, stride_d, before_d, dilation_d, output_d},
        {input_h, window_h, stride_h, before_h, dilation_h, output_h},
        {input_w, window_w, stride_w, before_w, dilation_w, output_w}
    };
    if (multiplier == 1 && are_packed(channels, gy, weight, gx)) {
        gather_all<PACK_SIZE>(v, images, channels, 1, gy, weight, gx);
    } else {
        gather_all<1>(v, images, channels, multiplier, gy, weight, gx);
    }
}

// -----------------------------------------------------------------------------------------------------------
// The weight gradient

// What TAPS taps of the window from `first` on add to the place in x that output 0 sees.
struct TapPlaces {
    int d[TAPS], h[TAPS], w[TAPS];
};

__device__ inline void find_taps(const Volume& v, int first, TapPlaces& places) {
    for (int t = threadIdx.x; t < TAPS; t += blockDim.x) {
        const int tap = first + t, line = tap / v.w.window;
        places.w[t] = tap % v.w.window * v.w.dilation - v.w.before;
        places.h[t] = line % v.h.window * v.h.dilation - v.h.before;
        places.d[t] = line / v.h.window * v.d.dilation - v.d.before;
    }
}

// Adds up what the lanes of a block have, in a fixed order: the total is lane 0's. All threads call it.
__device__ inline Accumulator add_lanes(Accumulator value, int lane, int lanes, int strip) {
    __shared__ Accumulator of_threads[THREADS];
    of_threads[threadIdx.x] = value;
    for (int active = lanes; active > 1;) {
        const int half = (active + 1) / 2;
        __syncthreads();
        if (lane < active - half) of_threads[threadIdx.x] += of_threads[threadIdx.x + half * strip];
        active = half;
    }
    const Accumulator total = of_threads[threadIdx.x];
    __syncthreads();  // the next call may write only when everybody has read
    return total;
}

// Block (x, y, z) makes the sums of strip x of the channels over part y of the pixels, for the taps from
// z TAPS on: `sums` is (parts, taps, channels). Its threads stand in lanes of one strip each, and the lanes
// take turns with the pixels.
extern "C" __global__ void __launch_bounds__(THREADS, 3) depthwise_weight_gradient(
    const Real* x, const Real* gy, Accumulator* sums, int images, int channels, int multiplier, int strip,
    int pixels_of_part,
    int input_d, int window_d, int stride_d, int before_d, int dilation_d, int output_d,
    int input_h, int window_h, int stride_h, int before_h, int dilation_h, int output_h,
    int input_w, int window_w, int stride_w, int before_w, int dilation_w, int output_w
) {
    const Volume v = {
        {input_d, window_d, stride_d, before_d, dilation_d, output_d},
        {input_h, window_h, stride_h, before_h, dilation_h, output_h},
        {input_w, window_w, stride_w, before_w, dilation_w, output_w}
    };
    __shared__ TapPlaces places;
    const int first_tap = blockIdx.z * TAPS, all_taps = v.d.window * v.h.window * v.w.window;
    find_taps(v, first_tap, places);
    __syncthreads();
    const int taps = min(TAPS, all_taps - first_tap), lanes = THREADS / strip, lane = threadIdx.x / strip;
    const int channel = blockIdx.x * strip + threadIdx.x % strip;
    const bool is_busy = lane < lanes && channel < channels;
    const int pixels = images * v.d.output * v.h.output * v.w.output, input_channels = channels / multiplier;
    const unsigned first = blockIdx.y * unsigned(pixels_of_part);
    const unsigned end = is_busy ? min(first + pixels_of_part, unsigned(pixels)) : 0;
    Accumulator totals[TAPS] = {};
    for (unsigned i = first + lane; i < end; i += lanes) {
        const Pixel o = pixel_of(i, v.d.output, v.h.output, v.w.output);
        const Accumulator g = gy[static_cast<int>(i) * channels + channel];
        const int input_channel = channel / multiplier;
#pragma unroll
        for (int t = 0; t < TAPS; ++t) {
            const int d = o.d * v.d.stride + places.d[t], h = o.h * v.h.stride + places.h[t];
            const int w = o.w * v.w.stride + places.w[t];
            if (t >= taps || !v.d.is_inside(d) || !v.h.is_inside(h) || !v.w.is_inside(w)) continue;
            totals[t] += Accumulator(x[input_number(v, o.n, d, h, w) * input_channels + input_channel]) * g;
        }
    }
#pragma unroll
    for (int t = 0; t < TAPS; ++t) {
        const Accumulator total = add_lanes(totals[t], lane, lanes, strip);
        if (t < taps && lane == 0 && channel < channels) {
            sums[(static_cast<Index>(blockIdx.y) * all_taps + first_tap + t) * channels + channel] = total;
        }
    }
}
