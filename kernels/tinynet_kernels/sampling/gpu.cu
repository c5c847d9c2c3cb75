// Bilinear interpolation: a thread for every number of the result, so that neighbouring threads read and
// write neighbouring channels.

#include "common.cuh"

constexpr int CONSTANT = 0, EDGE = 1;  // borders; any other number is "reflect"

// Where to look along one axis for what lies at `position`: in the image, or just outside of it. NaN if the
// position is.
__device__ Accumulator place(Accumulator position, Index length, int border) {
    const Accumulator end = static_cast<Accumulator>(length - 1), nothing = 0;
    if (position != position) return position;
    if (border == CONSTANT) return min(max(position, Accumulator(-2)), end + 2);
    if (border == EDGE || length == 1) return min(max(position, nothing), end);
    const Accumulator period = 2 * end;
    Accumulator folded = fmod(position, period);
    if (folded < 0) folded += period;
    return min(folded, period - folded);
}

// Rows (or columns) are clipped into the image, beyond which there is `fill` if the border is constant.
extern "C" __global__ void bilinear_forward(
    const Real* x, const Real* rows, const Real* columns, const Real* fill, Real* y, int border, Index height,
    Index width, Index channels, Index size
) {
    for (Index index = first_index(); index < size; index += index_step()) {
        const Index channel = index % channels, at = index / channels;
        const Accumulator row = place(rows[at], height, border), column = place(columns[at], width, border);
        if (row != row || column != column) {
            y[index] = not_a_number();
            continue;
        }
        const Accumulator top = floor(row), left = floor(column);
        const Accumulator a = row - top, b = column - left;
        const Index r = static_cast<Index>(top), c = static_cast<Index>(left);
        const auto pixel = [&](Index i, Index j) {
            const bool is_inside = 0 <= i && i < height && 0 <= j && j < width;
            if (border == CONSTANT && !is_inside) return Accumulator(fill[channel]);
            i = min(max(i, Index(0)), height - 1);
            j = min(max(j, Index(0)), width - 1);
            return Accumulator(x[(i * width + j) * channels + channel]);
        };
        const Accumulator above = (1 - b) * pixel(r, c) + b * pixel(r, c + 1);
        const Accumulator below = (1 - b) * pixel(r + 1, c) + b * pixel(r + 1, c + 1);
        y[index] = (1 - a) * above + a * below;
    }
}
