"""The register tile, the band made of tiles, and packing: values, remainders, and not a byte too far.

Every buffer that is written lies within a larger one full of a magic value, which must be there
afterwards; every buffer that is read lies within NaN, which would show in the result.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from tinynet_kernels.simd.packing import copy_rows, copy_to_strips, copy_transposed, transpose_block
from tinynet_kernels.simd.rows import multiply_band
from tinynet_kernels.simd.subroutine import subroutine
from tinynet_kernels.simd.tile import make_tile
from tinynet_kernels.simd.vectors import TALLEST, VECTOR_BYTES, WIDTH_BYTES

few = settings(deadline=None, derandomize=True, max_examples=150)
DTYPES = (np.float32, np.float64)
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-13}
MAGIC = 12345.0
GUARD = 70


def guarded(rows, columns, dtype, fill, gap=3):
    """A (rows, columns) view, with `gap` entries between its rows, inside a buffer full of `fill`."""
    buffer = np.full(2 * GUARD + rows * (columns + gap), fill, dtype)
    view = buffer[GUARD : GUARD + rows * (columns + gap)].reshape(rows, columns + gap)[:, :columns]
    return buffer, view


def numbers(rows, columns, dtype, random):
    _, view = guarded(rows, columns, dtype, np.nan)
    view[...] = random.standard_normal(view.shape)
    return view


def laid_out(a, layout):
    """`a` again, row-major, transposed in memory, or with strides in both directions."""
    if layout == "rows":
        return a
    rows, depth = a.shape
    if layout == "transposed":
        b = numbers(depth, rows, a.dtype.type, np.random.default_rng(0)).T
    else:
        b = numbers(2 * rows, 3 * depth, a.dtype.type, np.random.default_rng(0))[::2, ::3]
    b[...] = a
    return b


TILES = {
    (rows, vectors, masked, size): make_tile(rows, vectors, masked, size)
    for rows, vectors, masked, size in [
        (TALLEST, 2, False, VECTOR_BYTES),
        (TALLEST, 2, True, VECTOR_BYTES),
        (5, 1, True, VECTOR_BYTES),
        (1, 2, False, 16),
        (4, 2, True, 16),
        (6, 2, False, 32),
        (6, 2, True, 32),
        (3, 3, True, 64),
    ]
}


def compiled(tile):
    @njit
    def call(zero, addresses, strides, depth, outer, columns, accumulate):
        a, b, c = addresses
        a_row, a_step, b_step, a_outer, b_outer, c_row = strides
        tile(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, b_outer, c, c_row, columns, accumulate)

    return call


@pytest.mark.parametrize("key", TILES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tile_is_a_product_in_every_layout(key, dtype):
    rows, vectors, masked, size = key
    call = compiled(TILES[key])
    random = np.random.default_rng(0)
    width = vectors * size // np.dtype(dtype).itemsize
    for columns in range(1, width + 1) if masked else [width]:
        for layout, depth, accumulate in (("rows", 1, 0), ("transposed", 7, 1), ("strided", 33, 0)):
            a = laid_out(numbers(rows, depth, dtype, random), layout)
            b = numbers(depth, columns, dtype, random)
            buffer, c = guarded(rows, columns, dtype, MAGIC)
            c[...] = before = random.standard_normal(c.shape)
            addresses = a.ctypes.data, b.ctypes.data, c.ctypes.data
            strides = *a.strides, b.strides[0], 0, 0, c.strides[0]
            call(dtype(0), addresses, strides, depth, 1, columns, accumulate)
            expected = a.astype(np.float64) @ b + (before if accumulate else 0)
            np.testing.assert_allclose(c, expected, rtol=0, atol=TOLERANCE[dtype] * np.abs(expected).max())
            c[...] = MAGIC
            np.testing.assert_array_equal(buffer, MAGIC)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_outer_sum_of_a_tile_is_a_convolution(dtype):
    random = np.random.default_rng(0)
    width = WIDTH_BYTES // np.dtype(dtype).itemsize
    image = random.standard_normal((3, TALLEST + 2, 5)).astype(dtype)
    weight = random.standard_normal((3, 3, 5, width)).astype(dtype)
    c = np.empty((TALLEST, width), dtype)
    pixel = image.strides[1]
    strides = pixel, image.itemsize, weight.strides[2], image.strides[0], weight.strides[0], c.strides[0]
    addresses = image.ctypes.data, weight.ctypes.data, c.ctypes.data
    compiled(TILES[TALLEST, 2, False, VECTOR_BYTES])(dtype(0), addresses, strides, 15, 3, 0, 0)
    expected = sum(
        image[i, j : j + TALLEST].astype(np.float64) @ weight[i, j] for i in range(3) for j in range(3)
    )
    np.testing.assert_allclose(c, expected, rtol=0, atol=10 * TOLERANCE[dtype])


@njit
def band(zero, addresses, strides, rows, depth, columns, accumulate, start, start_row):
    a, b, c = addresses
    a_row, a_step, b_step, c_row = strides
    multiply_band(
        *(zero, a, a_row, a_step, b, b_step, depth, 1, 0, c, c_row, rows, columns, accumulate),
        *(start, start_row),
    )


@few
@given(
    rows=st.integers(1, 40),
    depth=st.integers(1, 20),
    part=st.floats(0, 1),
    layout=st.sampled_from(["rows", "transposed", "strided"]),
    added=st.sampled_from(["nothing", "the result", "a row"]),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 1000),
)
def test_a_band_of_any_size(rows, depth, part, layout, added, dtype, seed):
    random = np.random.default_rng(seed)
    width = WIDTH_BYTES // np.dtype(dtype).itemsize
    columns = max(1, round(part * width))
    a = laid_out(numbers(rows, depth, dtype, random), layout)
    b = numbers(depth, columns, dtype, random)
    buffer, c = guarded(rows, columns, dtype, MAGIC)
    c[...] = before = random.standard_normal(c.shape)
    row = random.standard_normal(columns).astype(dtype)
    start = (row.ctypes.data, 0) if added == "a row" else (c.ctypes.data, c.strides[0])
    addresses = a.ctypes.data, b.ctypes.data, c.ctypes.data
    strides = *a.strides, b.strides[0], c.strides[0]
    band(dtype(0), addresses, strides, rows, depth, columns, int(added != "nothing"), *start)
    expected = a.astype(np.float64) @ b + {"nothing": 0, "the result": before, "a row": row}[added]
    np.testing.assert_allclose(c, expected, rtol=0, atol=TOLERANCE[dtype] * np.abs(expected).max())
    c[...] = MAGIC
    np.testing.assert_array_equal(buffer, MAGIC)


@njit
def copy(zero, is_transposing, source, source_row, target, target_row, rows, columns):
    if is_transposing:
        copy_transposed(zero, source, source_row, target, target_row, rows, columns)
    else:
        copy_rows(zero, source, source_row, target, target_row, rows, columns)


@few
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 70),
    is_transposing=st.booleans(),
    dtype=st.sampled_from(DTYPES),
)
def test_packing_copies_exactly_the_block(rows, columns, is_transposing, dtype):
    source = numbers(rows, columns, dtype, np.random.default_rng(0))
    expected = source.T if is_transposing else source
    buffer, target = guarded(*expected.shape, dtype, MAGIC)
    copy(
        *(dtype(0), is_transposing, source.ctypes.data, source.strides[0]),
        *(target.ctypes.data, target.strides[0], rows, columns),
    )
    np.testing.assert_array_equal(target, expected)
    target[...] = MAGIC
    np.testing.assert_array_equal(buffer, MAGIC)


@njit
def cut(zero, source, source_row, target, strip_bytes, rows, columns):
    copy_to_strips(zero, source, source_row, target, strip_bytes, rows, columns)


@few
@given(rows=st.integers(1, 9), columns=st.integers(1, 140), dtype=st.sampled_from(DTYPES))
def test_packing_cuts_a_block_into_strips(rows, columns, dtype):
    source = numbers(rows, columns, dtype, np.random.default_rng(0))
    width = WIDTH_BYTES // np.dtype(dtype).itemsize
    strips = -(-columns // width)
    buffer = np.full(strips * rows * width + 2, MAGIC, dtype)
    target = buffer[1:-1].reshape(strips, rows, width)
    strip_bytes = rows * WIDTH_BYTES
    cut(dtype(0), source.ctypes.data, source.strides[0], target.ctypes.data, strip_bytes, rows, columns)
    expected = np.full((rows, strips * width), MAGIC, dtype)
    expected[:, :columns] = source
    np.testing.assert_array_equal(target.swapaxes(0, 1).reshape(rows, -1), expected)
    np.testing.assert_array_equal(buffer[[0, -1]], MAGIC)


@pytest.mark.parametrize("vector_bytes", [16, 32, 64])
@pytest.mark.parametrize("dtype", DTYPES)
def test_blocks_of_every_vector_length_are_transposed(vector_bytes, dtype):
    transpose = subroutine(transpose_block, vector_bytes)

    @njit
    def call(zero, source, source_row, target, target_row):
        transpose(zero, source, source_row, target, target_row)

    lanes = vector_bytes // np.dtype(dtype).itemsize
    source = numbers(lanes, lanes, dtype, np.random.default_rng(0))
    buffer, target = guarded(lanes, lanes, dtype, MAGIC)
    call(dtype(0), source.ctypes.data, source.strides[0], target.ctypes.data, target.strides[0])
    np.testing.assert_array_equal(target, source.T)
    target[...] = MAGIC
    np.testing.assert_array_equal(buffer, MAGIC)
