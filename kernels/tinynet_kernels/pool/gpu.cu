// Max and average pooling, channels-last, with three spatial axes d, h and w; missing ones have size 1.
//
// Every thread makes one element of the result, neighbouring threads those of neighbouring channels. Forward
// it looks at the elements of its window. Backward it looks at the windows that its element lies in, in the
// order of the places that it has in them, so that nothing is added up by several threads.

#include "windows.cuh"

// An element of an array (N, d, h, w, channels).
struct Place {
    Index n, channel;
    int d, h, w;
};

__device__ inline Place place_of(Index i, int depth, int height, int width, Index channels) {
    Place place;
    place.channel = i % channels, i /= channels;
    place.w = i % width, i /= width;
    place.h = i % height, i /= height;
    place.d = i % depth, place.n = i / depth;
    return place;
}

__device__ inline Place input_place(const Volume& v, Index i, Index channels) {
    return place_of(i, v.d.input, v.h.input, v.w.input, channels);
}

__device__ inline Place output_place(const Volume& v, Index i, Index channels) {
    return place_of(i, v.d.output, v.h.output, v.w.output, channels);
}

__device__ inline Index input_index(const Volume& v, const Place& o, int d, int h, int w, Index channels) {
    return (((o.n * v.d.input + d) * v.h.input + h) * v.w.input + w) * channels + o.channel;
}

// visit(k, i) for the elements i of the window of output o that lie inside, at its places k.
template <class Visit>
__device__ void visit_seen(const Volume& v, const Place& o, Index channels, Visit visit) {
    visit_window(v, o.d, o.h, o.w, [&](int k, int d, int h, int w) {
        visit(k, input_index(v, o, d, h, w, channels));
    });
}

// visit(k, o, d, h, w) for the elements o, at (d, h, w) of the output, of which this input is place k.
template <class Visit>
__device__ void visit_seeing(const Volume& v, const Place& i, Index channels, Visit visit) {
    visit_outputs(v, i.d, i.h, i.w, [&](int k, int d, int h, int w) {
        const Index row = ((i.n * v.d.output + d) * v.h.output + h) * v.w.output + w;
        visit(k, row * channels + i.channel, d, h, w);
    });
}

// By what the sum of a window is divided.
__device__ inline int divisor(const Volume& v, int d, int h, int w, bool counts_padding) {
    if (counts_padding) return v.d.window * v.h.window * v.w.window;
    return max(1, v.d.count_inside(d) * v.h.count_inside(h) * v.w.count_inside(w));
}

// Which element of a window has won, in one of two arrays: bytes where windows are small. -1, or what becomes
// of it in a byte, is none.
__device__ inline int winner_of(const unsigned char* bytes, const int* words, Index i) {
    return bytes != nullptr ? bytes[i] : words[i];
}

extern "C" __global__ void max_forward(
    const Real* x, Real* y, unsigned char* bytes, int* words, Index size, Index channels,
    int input_d, int window_d, int stride_d, int before_d, int dilation_d, int output_d,
    int input_h, int window_h, int stride_h, int before_h, int dilation_h, int output_h,
    int input_w, int window_w, int stride_w, int before_w, int dilation_w, int output_w
) {
    const Volume v = {
        {input_d, window_d, stride_d, before_d, dilation_d, output_d},
        {input_h, window_h, stride_h, before_h, dilation_h, output_h},
        {input_w, window_w, stride_w, before_w, dilation_w, output_w}
    };
    for (Index o = first_index(); o < size; o += index_step()) {
        Accumulator best = -infinite();
        int winner = -1;
        visit_seen(v, output_place(v, o, channels), channels, [&](int k, Index i) {
            const Accumulator value = x[i];
            const bool is_first_nan = value != value && best == best;
            if (winner < 0 || value > best || is_first_nan) best = value, winner = k;
        });
        y[o] = best;
        if (bytes != nullptr) {
            bytes[o] = static_cast<unsigned char>(winner);
        } else {
            words[o] = winner;
        }
    }
}

extern "C" __global__ void max_backward(
    const Real* gy, const unsigned char* bytes, const int* words, Real* gx, Index size, Index channels,
    int input_d, int window_d, int stride_d, int before_d, int dilation_d, int output_d,
    int input_h, int window_h, int stride_h, int before_h, int dilation_h, int output_h,
    int input_w, int window_w, int stride_w, int before_w, int dilation_w, int output_w
) {
    const Volume v = {
        {input_d, window_d, stride_d, before_d, dilation_d, output_d},
        {input_h, window_h, stride_h, before_h, dilation_h, output_h},
        {input_w, window_w, stride_w, before_w, dilation_w, output_w}
    };
    for (Index i = first_index(); i < size; i += index_step()) {
        Accumulator total = 0;
        visit_seeing(v, input_place(v, i, channels), channels, [&](int k, Index o, int, int, int) {
            if (winner_of(bytes, words, o) == k) total += Accumulator(gy[o]);
        });
        gx[i] = total;
    }
}

extern "C" __global__ void max_gather(
    const Real* values, const unsigned char* bytes, const int* words, Real* y, Index size, Index channels,
    int input_d, int window_d, int stride_d, int before_d, int dilation_d, int output_d,
    int input_h, int window_h, int stride_h, int before_h, int dilation_h, int output_h,
    int input_w, int window_w, int stride_w, int before_w, int dilation_w, int output_w
) {
    const Volume v = {
        {input_d, window_d, stride_d, before_d, dilation_d, output_d},
        {input_h, window_h, stride_h, before_h, dilation_h, output_h},
        {input_w, window_w, stride_w, before_w, dilation_w, output_w}
    };
    for (Index o = first_index(); o < size; o += index_step()) {
        const Place place = output_place(v, o, channels);
        const int k = winner_of(bytes, words, o);
        Accumulator value = 0;
        if (0 <= k && k < window_d * window_h * window_w) {
            const int d = v.d.input_place(place.d, k / (window_h * window_w));
            const int h = v.h.input_place(place.h, k / window_w % window_h);
            const int w = v.w.input_place(place.w, k % window_w);
            if (v.d.is_inside(d) && v.h.is_inside(h) && v.w.is_inside(w)) {
                value = values[input_index(v, place, d, h, w, channels)];
            }
        }
        y[o] = value;
    }
}

extern "C" __global__ void average_forward(
    const Real* x, Real* y, bool counts_padding, Index size, Index channels,
    int input_d, int window_d, int stride_d, int before_d, int dilation_d, int output_d,
    int input_h, int window_h, int stride_h, int before_h, int dilation_h, int output_h,
    int input_w, int window_w, int stride_w, int before_w, int dilation_w, int output_w
) {
    const Volume v = {
        {input_d, window_d, stride_d, before_d, dilation_d, output_d},
        {input_h, window_h, stride_h, before_h, dilation_h, output_h},
        {input_w, window_w, stride_w, before_w, dilation_w, output_w}
    };
    for (Index o = first_index(); o < size; o += index_step()) {
        const Place place = output_place(v, o, channels);
        Accumulator total = 0;
        visit_seen(v, place, channels, [&](int, Index i) { total += Accumulator(x[i]); });
        y[o] = total / divisor(v, place.d, place.h, place.w, counts_padding);
    }
}

extern "C" __global__ void average_backward(
    const Real* gy, Real* gx, bool counts_padding, Index size, Index channels,
    int input_d, int window_d, int stride_d, int before_d, int dilation_d, int output_d,
    int input_h, int window_h, int stride_h, int before_h, int dilation_h, int output_h,
    int input_w, int window_w, int stride_w, int before_w, int dilation_w, int output_w
) {
    const Volume v = {
        {input_d, window_d, stride_d, before_d, dilation_d, output_d},
        {input_h, window_h, stride_h, before_h, dilation_h, output_h},
        {input_w, window_w, stride_w, before_w, dilation_w, output_w}
    };
    for (Index i = first_index(); i < size; i += index_step()) {
        Accumulator total = 0;
        visit_seeing(v, input_place(v, i, channels), channels, [&](int, Index o, int d, int h, int w) {
            total += Accumulator(gy[o]) / divisor(v, d, h, w, counts_padding);
        });
        gx[i] = total;
    }
}
