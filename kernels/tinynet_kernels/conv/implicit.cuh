// The matrices that a convolution multiplies, which are nowhere in memory: loaders for product.cuh.
//
// A window that starts at some pixel of an array (N, d, h, w, channels) sees, at each of its taps, the channels
// of one pixel. Unfolded into a matrix, with a row for every window and a column for every channel of every
// tap, a convolution is a product with the weight. Here the loader finds the elements of that matrix where
// they are. What is known of the row, where the window starts, and of the column, how far the tap is from
// there, is worked out separately; then an element is an addition and a look at the borders away.
//
// Sources: Chellapilla, Puri and Simard, "High performance convolutional neural networks for document
// processing" (2006), for the unfolded matrix; Chetlur et al., "cuDNN: efficient primitives for deep learning"
// (2014), for tiles of it that are made when they are needed.

#include "division.cuh"
#include "places.cuh"
#include "product.cuh"

// On one axis: the window of line i has its tap t at first + i * stride + t * step. The step may be negative.
struct Walk {
    int size, lines, first, stride, taps, step;
};

__device__ inline Walk walk_of_window(const Axis& axis) {
    return {axis.input, axis.output, -axis.before, axis.stride, axis.window, axis.dilation};
}

// Elements are addressed modulo 2^32: those that exist have the right address, whatever the others have.
struct Start {
    int d, h, w;
    unsigned offset;
};

struct Tap {
    int k, channel, d, h, w;
    unsigned offset;
};

constexpr int OUTSIDE = -(1 << 30);  // where no tap leads back to the inside

// All windows over an array. How it divides the numbers of windows and of taps is a matter of speed.
template <class WindowDivisor, class TapDivisor>
struct Windows {
    const Real* elements;
    unsigned pitch;              // from one pixel to the next, a multiple of the channels
    int channels, count, depth;  // that are seen of a pixel; of windows; of what a window sees
    Walk d, h, w;
    bool is_packed;
    WindowDivisor lines_d, lines_h, lines_w;
    TapDivisor by_channels, taps_h, taps_w;

    __device__ Windows(
        const Real* elements, int pitch, int channels, int images, const Walk& d, const Walk& h, const Walk& w
    )
        : elements(elements), pitch(pitch), channels(channels), count(images * d.lines * h.lines * w.lines),
          depth(d.taps * h.taps * w.taps * channels), d(d), h(h), w(w), is_packed(are_packed(channels, elements)),
          lines_d(max(1, d.lines)), lines_h(max(1, h.lines)), lines_w(max(1, w.lines)),
          by_channels(max(1, channels)), taps_h(max(1, h.taps)), taps_w(max(1, w.taps)) {}

    __device__ unsigned offset_of(int d_place, int h_place, int w_place) const {
        return ((unsigned(d_place) * h.size + h_place) * w.size + w_place) * pitch;
    }

    __device__ Start start(Index i) const {
        if (i >= count) return {OUTSIDE, 0, 0, 0};
        unsigned rest = static_cast<unsigned>(i);
        Start start;
        start.w = w.first + split_off(rest, lines_w) * w.stride;
        start.h = h.first + split_off(rest, lines_h) * h.stride;
        start.d = d.first + split_off(rest, lines_d) * d.stride;
        start.offset = offset_of(static_cast<int>(rest) * d.size + start.d, start.h, start.w);
        return start;
    }

    __device__ Tap tap(Index k) const {
        if (k >= depth) return {depth, 0, 0, 0, 0, 0};
        unsigned rest = static_cast<unsigned>(k);
        Tap tap;
        tap.k = static_cast<int>(k);
        tap.channel = split_off(rest, by_channels);
        tap.w = split_off(rest, taps_w) * w.step;
        tap.h = split_off(rest, taps_h) * h.step;
        tap.d = static_cast<int>(rest) * d.step;
        tap.offset = offset_of(tap.d, tap.h, tap.w) + tap.channel;
        return tap;
    }

    // The next channel, which may be the first one of the next tap.
    __device__ void advance(Tap& tap) const {
        ++tap.k, ++tap.channel, ++tap.offset;
        if (tap.channel < channels) return;
        tap.channel = 0, tap.w += w.step;
        if (tap.w == w.taps * w.step) {
            tap.w = 0, tap.h += h.step;
            if (tap.h == h.taps * h.step) tap.h = 0, tap.d += d.step;
        }
        tap.offset = offset_of(tap.d, tap.h, tap.w);
    }

    // Whether the tap of the window exists and lies inside. Negative places are large as unsigned ones.
    __device__ bool sees(const Start& start, const Tap& tap) const {
        return tap.k < depth && unsigned(start.d + tap.d) < unsigned(d.size) &&
               unsigned(start.h + tap.h) < unsigned(h.size) && unsigned(start.w + tap.w) < unsigned(w.size);
    }

    // The elements from this one on, along the sum; zeros for those that are outside.
    __device__ Pack<Real> load_pack_from(const Start& start, Tap tap) const {
        Pack<Real> pack{};
        if (is_packed) {
            return sees(start, tap) ? load_pack(elements + (start.offset + tap.offset), 0) : pack;
        }
        for (int i = 0; i < PACK_SIZE; ++i, advance(tap)) {
            if (sees(start, tap)) pack.values[i] = elements[start.offset + tap.offset];
        }
        return pack;
    }
};

// What windows see, with a line for each: what a forward pass multiplies with the weight.
struct LinesAreWindows : Windows<OrdinaryDivisor, Divisor> {
    static constexpr bool ALONG_SUM = true;

    using Windows::Windows;

    __device__ Start line(Index i) const { return start(i); }
    __device__ Tap place(Index k) const { return tap(k); }
    __device__ Pack<Real> load(const Start& start, const Tap& tap) const { return load_pack_from(start, tap); }
};

// The same transposed, with a line for each channel of each tap: of this and the gradient of the output comes
// the gradient of the weight. Neighbours in memory are in neighbouring lines.
struct LinesAreTaps : Windows<Divisor, OrdinaryDivisor> {
    static constexpr bool ALONG_SUM = false;

    using Windows::Windows;

    __device__ Tap line(Index i) const { return tap(i); }
    __device__ Start place(Index k) const { return start(k); }
    __device__ Pack<Real> load(const Tap& tap, const Start& start) const { return load_pack_from(start, tap); }
};

// The weight (*window, inputs, outputs) as the input gradient needs it, with a line for each input channel and
// with only those taps that the walks lead to.
struct LinesAreInputs : Windows<OrdinaryDivisor, Divisor> {
    static constexpr bool ALONG_SUM = true;

    int inputs, all_outputs;

    __device__ LinesAreInputs(
        const Real* weight, int inputs, int outputs, int all_outputs, const Walk& d, const Walk& h, const Walk& w
    )
        : Windows(weight, inputs * all_outputs, outputs, 1, d, h, w), inputs(inputs), all_outputs(all_outputs) {}

    __device__ Start line(Index i) const {
        if (i >= inputs) return {OUTSIDE, 0, 0, 0};
        return {d.first, h.first, w.first, offset_of(d.first, h.first, w.first) + unsigned(i) * all_outputs};
    }

    __device__ Tap place(Index k) const { return tap(k); }
    __device__ Pack<Real> load(const Start& start, const Tap& tap) const { return load_pack_from(start, tap); }
};

// Where the rows of a product go.
struct PlainRows {
    Index pitch;

    __device__ Index place(Index row) const { return row * pitch; }
};

// Finishes sums: adds a bias and cuts off at 0, and stores them; or keeps them as those of one part of a long
// sum, unfinished, if `part` is given. `Rows` has place(row), where a row starts in both arrays, a multiple of
// the columns.
template <class Rows>
struct Finish {
    Rows places;
    int rows, columns;
    Real* y;
    Accumulator* part;
    const Real* bias;
    bool rectifies, is_packed;

    __device__ Finish(
        const Rows& places, int rows, int columns, Real* y, Accumulator* part, const Real* bias, bool rectifies
    )
        : places(places), rows(rows), columns(columns), y(y), part(part), bias(bias), rectifies(rectifies),
          is_packed(are_packed(columns, y)) {}

    template <int COUNT>
    __device__ void operator()(Index row, Index column, const Accumulator (&sums)[COUNT]) const {
        if (row >= rows || column >= columns) return;
        const Index start = places.place(row) + column;
        if (part != nullptr) {
#pragma unroll
            for (int i = 0; i < COUNT; ++i) {
                if (column + i < columns) part[start + i] = sums[i];
            }
            return;
        }
        Run<COUNT> result;
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            Accumulator sum = sums[i];
            if (bias != nullptr && column + i < columns) sum += Accumulator(bias[column + i]);
            result.values[i] = rectifies && sum < 0 ? Accumulator(0) : sum;  // NaN stays
        }
        if (is_packed) {
            *aligned_cast<Run<COUNT>>(y + start) = result;
        } else {
#pragma unroll
            for (int i = 0; i < COUNT; ++i) {
                if (column + i < columns) y[start + i] = result.values[i];
            }
        }
    }
};

// The place of this block's tile.
template <class Engine>
struct Corner {
    Index row, column;

    __device__ explicit Corner(int columns) {
        const unsigned across = max(1, ceil_divide<int>(columns, Engine::COLUMNS));
        row = static_cast<Index>(blockIdx.x / across) * Engine::ROWS;
        column = static_cast<Index>(blockIdx.x % across) * Engine::COLUMNS;
    }
};
