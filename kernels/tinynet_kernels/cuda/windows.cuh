// The geometry of sliding windows, with three spatial axes d, h and w; missing ones have size 1.
//
// Kernels get the numbers one by one, in the order of `Volume.axes` in tinynet_kernels/windows.py.

#include "common.cuh"

// The window's geometry on one axis.
struct Axis {
    int input, window, stride, before, dilation, output;

    // Where place k of the window of output o lies; it may be outside.
    __device__ int input_place(int o, int k) const { return o * stride - before + k * dilation; }

    __device__ bool is_inside(int place) const { return 0 <= place && place < input; }

    // The output whose window has place k at this input, or -1.
    __device__ int output_place(int place, int k) const {
        const int from_start = place + before - k * dilation;
        if (from_start < 0 || from_start % stride != 0) return -1;
        const int o = from_start / stride;
        return o < output ? o : -1;
    }

    // Without dilation only one in `stride` places of a window can be at this input: which is the first, and
    // how far it is to the next.
    __device__ int first_candidate(int place) const { return dilation == 1 ? (place + before) % stride : 0; }
    __device__ int candidate_step() const { return dilation == 1 ? stride : 1; }

    // How many places of the window of output o lie inside, without dilation.
    __device__ int count_inside(int o) const {
        const int start = o * stride - before;
        return max(0, min(start + window, input) - max(start, 0));
    }
};

struct Volume {
    Axis d, h, w;
};

// visit(tap, d, h, w) for what the window of output (o_d, o_h, o_w) sees: those places that lie inside, and
// which of the window's taps, in row-major order, each of them is.
template <class Visit>
__device__ inline void visit_window(const Volume& v, int o_d, int o_h, int o_w, Visit visit) {
    for (int a = 0; a < v.d.window; ++a) {
        const int d = v.d.input_place(o_d, a);
        if (!v.d.is_inside(d)) continue;
        for (int b = 0; b < v.h.window; ++b) {
            const int h = v.h.input_place(o_h, b);
            if (!v.h.is_inside(h)) continue;
            for (int c = 0; c < v.w.window; ++c) {
                const int w = v.w.input_place(o_w, c);
                if (v.w.is_inside(w)) visit((a * v.h.window + b) * v.w.window + c, d, h, w);
            }
        }
    }
}

// visit(tap, o_d, o_h, o_w) for the outputs that see the input at (d, h, w), in the order of their taps.
template <class Visit>
__device__ inline void visit_outputs(const Volume& v, int d, int h, int w, Visit visit) {
    for (int a = v.d.first_candidate(d); a < v.d.window; a += v.d.candidate_step()) {
        const int o_d = v.d.output_place(d, a);
        if (o_d < 0) continue;
        for (int b = v.h.first_candidate(h); b < v.h.window; b += v.h.candidate_step()) {
            const int o_h = v.h.output_place(h, b);
            if (o_h < 0) continue;
            for (int c = v.w.first_candidate(w); c < v.w.window; c += v.w.candidate_step()) {
                const int o_w = v.w.output_place(w, c);
                if (o_w >= 0) visit((a * v.h.window + b) * v.w.window + c, o_d, o_h, o_w);
            }
        }
    }
}
