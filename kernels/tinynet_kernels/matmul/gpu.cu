// The product of matrices: y = activation(a @ b + bias), for every matrix of a batch. See product.cuh.
//
// Variants: ENGINE multiplies the tiles; A_ALONG and B_ALONG tell whether a and b have neighbours along the
// sum in memory, or else along the rows or columns of the product.

#include "product_plain.cuh"
#include "product_tensor.cuh"

using Engine = ENGINE;

// y = activation(a @ b + bias). The grid: x counts the tiles of all matrices of the batch, y the parts of the
// sum. If there are several parts they go to `sums` (parts, batch, rows, columns), and `add` finishes.
//
// The batch has two axes, the second of length `inner`, to which a and b may be broadcast: then some of their
// steps, from one matrix to the next along an axis, are 0. If the product `is_turned`, y is transposed.
extern "C" __global__ void __launch_bounds__(Engine::THREADS, Engine::BLOCKS) multiply(
    const Real* a, const Real* b, const Real* bias, bool is_relu, bool is_turned, Real* y, Accumulator* sums,
    Index batch, Index inner, Index a_outer, Index a_inner, Index b_outer, Index b_inner, Index rows,
    Index columns, Index depth, Index stretch
) {
    const Index across = ceil_divide<Index>(columns, Engine::COLUMNS);
    const Index tiles = ceil_divide<Index>(rows, Engine::ROWS) * across;
    const Index matrix = blockIdx.x / tiles, tile = blockIdx.x % tiles, part = blockIdx.y;
    const Index outer = matrix / inner, place = matrix % inner, size = rows * columns;
    const Index first_row = tile / across * Engine::ROWS, first_column = tile % across * Engine::COLUMNS;
    const Index k = part * stretch, end = min(k + stretch, depth);

    a += outer * a_outer + place * a_inner;
    b += outer * b_outer + place * b_inner;
    const Matrix<A_ALONG> of_a(a, rows, depth, A_ALONG ? depth : rows);
    const Matrix<B_ALONG> of_b(b, columns, depth, B_ALONG ? depth : columns);
    const Store whole(y + matrix * size, rows, columns, is_turned, bias, is_relu);
    const StorePart share{sums + (part * batch + matrix) * size, rows, columns};
    const auto finish = [&](Index row, Index column, const auto& some) {
        if (sums == nullptr) {
            whole(row, column, some);
        } else {
            share(row, column, some);
        }
    };
    multiply_tile<Engine>(of_a, of_b, first_row, first_column, k, end, finish);
}
