// The input gradient of a convolution as a product of matrices; see implicit.cuh.
//
// A pixel of gx gathers what the outputs that have seen it, each with one of its taps, send back. With a
// stride these are the same taps for pixels whose distance is a multiple of the stride, and other ones for
// their neighbours. So the pixels fall into phases: stride_d * stride_h * stride_w of them. Within one phase,
// going from a pixel to the next is going from an output to the next, and it is a convolution with stride 1
// over gy, with those taps that it meets, in reverse.
//
// The blocks of a grid: x is the tile, y the group of channels, z the phase and the part of a sum that is cut
// into several; see implicit.cu.
//
// Variants: ENGINE multiplies the tiles.

#include "implicit.cuh"
#include "product_plain.cuh"
#include "product_tensor.cuh"

using Engine = ENGINE;

__device__ inline int greatest_common_divisor(int a, int b) {
    while (b != 0) {
        const int rest = a % b;
        a = b, b = rest;
    }
    return a;
}

// The pixels of one phase on one axis: first, first + stride and so on.
struct Phase {
    int first, stride;
    Walk over_gradients, over_weights;

    // Tap t meets the pixels i for which i + before - t * dilation is a multiple of the stride.
    __device__ Phase(const Axis& axis, int number) : stride(axis.stride) {
        const int from_start = (number - axis.before) % stride;
        first = from_start < 0 ? from_start + stride : from_start;
        const int pixels = first < axis.input ? (axis.input - first - 1) / stride + 1 : 0;
        const int common = greatest_common_divisor(stride, axis.dilation), tap_step = stride / common;
        int tap = 0;
        while (tap < tap_step && (first + axis.before - tap * axis.dilation) % stride != 0) ++tap;
        const bool has_taps = tap < tap_step && tap < axis.window;
        const int taps = has_taps ? (axis.window - tap - 1) / tap_step + 1 : 0;
        const int output = has_taps ? (first + axis.before - tap * axis.dilation) / stride : 0;
        over_gradients = {axis.output, pixels, output, 1, taps, -axis.dilation / common};
        over_weights = {axis.window, 1, tap, 0, taps, tap_step};
    }

    __device__ int pixels() const { return over_gradients.lines; }
};

// Where the pixels of a phase lie in gx.
struct PhaseRows {
    const Volume& v;
    const Phase &d, &h, &w;
    Index pitch;

    __device__ Index place(Index row) const {
        const Pixel pixel = pixel_of(static_cast<unsigned>(row), d.pixels(), h.pixels(), w.pixels());
        const int h_place = h.first + pixel.h * h.stride, w_place = w.first + pixel.w * w.stride;
        return input_number(v, pixel.n, d.first + pixel.d * d.stride, h_place, w_place) * pitch;
    }
};

// Rows are pixels of gx, columns its channels; the sum runs over the output channels of the taps.
extern "C" __global__ void __launch_bounds__(Engine::THREADS, Engine::BLOCKS) implicit_input_gradient(
    const Real* gy, const Real* weight, Real* gx, Accumulator* sums, int parts, Index stretch, int images,
    int all_channels, int all_outputs,
    int input_d, int window_d, int stride_d, int before_d, int dilation_d, int output_d,
    int input_h, int window_h, int stride_h, int before_h, int dilation_h, int output_h,
    int input_w, int window_w, int stride_w, int before_w, int dilation_w, int output_w
) {
    const Volume v = {
        {input_d, window_d, stride_d, before_d, dilation_d, output_d},
        {input_h, window_h, stride_h, before_h, dilation_h, output_h},
        {input_w, window_w, stride_w, before_w, dilation_w, output_w}
    };
    const int channels = all_channels / gridDim.y, outputs = all_outputs / gridDim.y;
    const int phase = blockIdx.z / parts, part = blockIdx.z % parts, line = phase / stride_w;
    const Phase d(v.d, line / stride_h), h(v.h, line % stride_h), w(v.w, phase % stride_w);
    const Corner<Engine> corner(channels);
    const int rows = images * d.pixels() * h.pixels() * w.pixels();
    if (corner.row >= rows) return;  // smaller phases have fewer tiles
    const LinesAreWindows gradients(
        gy + blockIdx.y * outputs, all_outputs, outputs, images, d.over_gradients, h.over_gradients,
        w.over_gradients
    );
    const LinesAreInputs weights(
        weight + blockIdx.y * outputs, channels, outputs, all_outputs, d.over_weights, h.over_weights,
        w.over_weights
    );
    const Index k = part * stretch, end = min(k + stretch, Index(gradients.depth));
    const Index size = static_cast<Index>(images) * v.d.input * v.h.input * v.w.input * all_channels;
    const int first_channel = blockIdx.y * channels;
    const Finish<PhaseRows> finish(
        PhaseRows{v, d, h, w, all_channels}, rows, channels, gx + first_channel,
        sums != nullptr ? sums + part * size + first_channel : nullptr, nullptr, false
    );
    multiply_tile<Engine>(gradients, weights, corner.row, corner.column, k, end, finish);
}
