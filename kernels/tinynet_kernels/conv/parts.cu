// Puts together what several blocks have added up of the same sums.

#include "common.cuh"

// y = activation(the sum over the parts + bias): y (size,), sums (parts, size). The parts are added in their
// order. The bias, if there is one, is that of the columns.
extern "C" __global__ void add_parts(
    const Accumulator* sums, const Real* bias, bool rectifies, Real* y, Index size, Index parts, Index columns
) {
    for (Index i = first_index(); i < size; i += index_step()) {
        double total = 0;
        for (Index part = 0; part < parts; ++part) total += sums[part * size + i];
        Accumulator sum = static_cast<Accumulator>(total);
        if (bias != nullptr) sum += Accumulator(bias[i % columns]);
        y[i] = rectifies && sum < 0 ? Accumulator(0) : sum;  // NaN stays
    }
}
