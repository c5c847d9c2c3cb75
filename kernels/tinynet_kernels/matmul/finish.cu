// What follows the products: adding up the parts of long sums; bias and rectifier where cuBLAS multiplied.

#include "product.cuh"

// y = activation(the sum of all parts + bias); sums (parts, batch, rows, columns).
extern "C" __global__ void add(
    const Accumulator* sums, Index parts, const Real* bias, bool is_relu, bool is_turned, Real* y,
    Index batch, Index rows, Index columns
) {
    const Index size = rows * columns, all = batch * size;
    for (Index i = first_index(); i < all; i += index_step()) {
        Accumulator sum[1] = {0};
        for (Index part = 0; part < parts; ++part) sum[0] += sums[part * all + i];
        const Index place = i % size;
        const Store store(y + (i - place), rows, columns, is_turned, bias, is_relu);
        store(place / columns, place % columns, sum);
    }
}

// y = activation(y + bias) in place, for the columns of a matrix.
extern "C" __global__ void add_bias(Real* y, const Real* bias, bool is_relu, Index size, Index columns) {
    const Store store(y, size / columns, columns, false, bias, is_relu);
    for (Index i = first_index(); i < size; i += index_step()) {
        const Accumulator sum[1] = {Accumulator(y[i])};
        store(i / columns, i % columns, sum);
    }
}
