// Unfolding an image (N, d, h, w, channels) into a matrix of all that its windows see, and folding it back.
//
// A thread unfolds some channels of one window, a row of the matrix. Folding gathers: a thread looks for the
// rows that hold its element, and adds them up in the order of the taps.

#include "places.cuh"

constexpr int THREADS = 256;

template <int SIZE>
__device__ void unfold(const Volume& v, int images, int channels, const Real* x, Real* columns) {
    const unsigned groups = channels / SIZE;
    const unsigned pieces = images * v.d.output * v.h.output * v.w.output * groups;
    const int taps = v.d.window * v.h.window * v.w.window;
    for (unsigned i = first_piece(); i < pieces; i += piece_step()) {
        const int channel = static_cast<int>(i % groups) * SIZE, row = i / groups;
        const Pixel o = pixel_of(row, v.d.output, v.h.output, v.w.output);
        Real* target = columns + row * taps * channels + channel;
        for (int a = 0; a < v.d.window; ++a) {
            const int d = v.d.input_place(o.d, a);
            for (int b = 0; b < v.h.window; ++b) {
                const int h = v.h.input_place(o.h, b);
                const bool is_inside = v.d.is_inside(d) && v.h.is_inside(h);
                const int line = is_inside ? input_number(v, o.n, d, h, 0) : 0;
                for (int c = 0; c < v.w.window; ++c) {
                    const int w = v.w.input_place(o.w, c);
                    Channels<SIZE> seen = {};
                    if (is_inside && v.w.is_inside(w)) {
                        seen = load_channels<SIZE>(x + (line + w) * channels + channel);
                    }
                    store_channels(target, seen);
                    target += channels;
                }
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) unfold_windows(
    const Real* x, Real* columns, int images, int channels,
    int input_d, int window_d, int stride_d, int before_d, int dilation_d, int output_d,
    int input_h, int window_h, int stride_h, int before_h, int dilation_h, int output_h,
    int input_w, int window_w, int stride_w, int before_w, int dilation_w, int output_w
) {
    const Volume v = {
        {input_d, window_d, stride_d, before_d, dilation_d, output_d},
        {input_h, window_h, stride_h, before_h, dilation_h, output_h},
        {input_w, window_w, stride_w, before_w, dilation_w, output_w}
    };
    if (are_packed(channels, x, columns)) {
        unfold<PACK_SIZE>(v, images, channels, x, columns);
    } else {
        unfold<1>(v, images, channels, x, columns);
    }
}

template <int SIZE>
__device__ void fold(const Volume& v, int images, int channels, const Real* columns, Real* x) {
    const unsigned groups = channels / SIZE;
    const unsigned pieces = images * v.d.input * v.h.input * v.w.input * groups;
    const int taps = v.d.window * v.h.window * v.w.window;
    for (unsigned i = first_piece(); i < pieces; i += piece_step()) {
        const int channel = static_cast<int>(i % groups) * SIZE, number = i / groups;
        const Pixel here = pixel_of(number, v.d.input, v.h.input, v.w.input);
        Channels<SIZE> sums = {};
        visit_outputs(v, here.d, here.h, here.w, [&](int tap, int d, int h, int w) {
            const int row = output_number(v, here.n, d, h, w);
            const Channels<SIZE> some = load_channels<SIZE>(columns + (row * taps + tap) * channels + channel);
            for (int j = 0; j < SIZE; ++j) sums.values[j] += some.values[j];
        });
        store_channels(x + number * channels + channel, sums);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) fold_windows(
    const Real* columns, Real* x, int images, int channels,
    int input_d, int window_d, int stride_d, int before_d, int dilation_d, int output_d,
    int input_h, int window_h, int stride_h, int before_h, int dilation_h, int output_h,
    int input_w, int window_w, int stride_w, int before_w, int dilation_w, int output_w
) {
    const Volume v = {
        {input_d, window_d, stride_d, before_d, dilation_d, output_d},
        {input_h, window_h, stride_h, before_h, dilation_h, output_h},
        {input_w, window_w, stride_w, before_w, dilation_w, output_w}
    };
    if (are_packed(channels, columns, x)) {
        fold<PACK_SIZE>(v, images, channels, columns, x);
    } else {
        fold<1>(v, images, channels, columns, x);
    }
}
