// Convolution as a product of matrices, one of which is found in x element by element; see implicit.cuh, and
// product.cuh for how the product is computed by tiles.
//
// The blocks of a grid: x is the tile, y the group of channels, z the part of a sum that is cut into several,
// since there are too few tiles to keep the GPU busy. The sums of the parts go to `sums`, an array like the
// result for each of them, and add_parts in parts.cu finishes them; without it they are finished here.
//
// Variants: ENGINE multiplies the tiles.

#include "implicit.cuh"
#include "product_plain.cuh"
#include "product_tensor.cuh"

using Engine = ENGINE;

// Rows are pixels of y, columns its channels; the sum runs over the channels of the taps.
extern "C" __global__ void __launch_bounds__(Engine::THREADS, Engine::BLOCKS) implicit_forward(
    const Real* x, const Real* weight, const Real* bias, bool rectifies, Real* y, Accumulator* sums,
    Index stretch, int images, int all_channels, int all_outputs,
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
    const int first_output = blockIdx.y * outputs;
    const LinesAreWindows seen(
        x + blockIdx.y * channels, all_channels, channels, images, walk_of_window(v.d), walk_of_window(v.h),
        walk_of_window(v.w)
    );
    const Matrix<false> weights(weight + first_output, outputs, seen.depth, all_outputs);
    const Index k = blockIdx.z * stretch, end = min(k + stretch, Index(seen.depth));
    const Index size = static_cast<Index>(seen.count) * all_outputs;
    const Finish<PlainRows> finish(
        PlainRows{all_outputs}, seen.count, outputs, y + first_output,
        sums != nullptr ? sums + blockIdx.z * size + first_output : nullptr,
        bias != nullptr ? bias + first_output : nullptr, rectifies
    );
    const Corner<Engine> corner(outputs);
    multiply_tile<Engine>(seen, weights, corner.row, corner.column, k, end, finish);
}

// Rows are channels of the taps, columns are output channels; the sum runs over the pixels of gy.
extern "C" __global__ void __launch_bounds__(Engine::THREADS, Engine::BLOCKS) implicit_weight_gradient(
    const Real* x, const Real* gy, Real* gradient, Accumulator* sums, Index stretch, int images,
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
    const int first_output = blockIdx.y * outputs;
    const LinesAreTaps seen(
        x + blockIdx.y * channels, all_channels, channels, images, walk_of_window(v.d), walk_of_window(v.h),
        walk_of_window(v.w)
    );
    const Matrix<false> gradients(gy + first_output, outputs, seen.count, all_outputs);
    const Index k = blockIdx.z * stretch, end = min(k + stretch, Index(seen.count));
    const Index size = static_cast<Index>(seen.depth) * all_outputs;
    const Finish<PlainRows> finish(
        PlainRows{all_outputs}, seen.depth, outputs, gradient + first_output,
        sums != nullptr ? sums + blockIdx.z * size + first_output : nullptr, nullptr, false
    );
    const Corner<Engine> corner(outputs);
    multiply_tile<Engine>(seen, gradients, corner.row, corner.column, k, end, finish);
}
