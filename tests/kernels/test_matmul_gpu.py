"""The matrix product on the GPU: tiles of every kind against the definition, and what cuBLAS is told."""

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roundings import rounded

from tinynet_kernels import matmul
from tinynet_kernels.cuda import modes, tiles
from tinynet_kernels.cuda.modes import own_products, rounded_products
from tinynet_kernels.matmul import gpu as matmul_gpu
from tinynet_kernels.matmul import gpu_cublas

few = settings(deadline=None, derandomize=True, max_examples=12)
sizes = st.one_of(st.integers(1, 20), st.sampled_from([0, 31, 64, 65, 130]))
dtypes = st.sampled_from([np.float16, np.float32, np.float64])

# Every tile, with the element types that use it.
TILES = [
    (tile, dtype)
    for tile, source in matmul_gpu._sources.items()
    for dtype in (np.float16, np.float32, np.float64)
    if np.dtype(dtype) in source.dtypes
]


def normal(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def integers(shape, dtype, seed=0):
    """Numbers whose products and sums are exact in all types, also when factors are rounded."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


def factors(m, k, n, transpose_a, transpose_b, dtype, make=normal):
    return make((k, m) if transpose_a else (m, k), dtype), make((n, k) if transpose_b else (k, n), dtype, 1)


def address(array):
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr


@few
@given(
    m=sizes,
    k=sizes,
    n=sizes,
    transpose_a=st.booleans(),
    transpose_b=st.booleans(),
    has_bias=st.booleans(),
    activation=st.sampled_from([None, "relu"]),
    dtype=dtypes,
)
def test_products_agree_with_the_definition(
    m, k, n, transpose_a, transpose_b, has_bias, activation, dtype, compare_gpu
):
    a, b = factors(m, k, n, transpose_a, transpose_b, dtype)
    bias = normal(n, dtype, 2) if has_bias else None
    with own_products():
        compare_gpu(matmul.product, a, b, transpose_a, transpose_b, bias, activation)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 70, 200), (200, 70, 1), (3, 0, 4), (0, 3, 4), (17, 33, 16)])
def test_products_with_few_rows_or_columns_or_nothing_to_add_up(shape, dtype, compare_gpu):
    a, b = factors(*shape, False, False, dtype)
    with own_products():
        compare_gpu(matmul.product, a, b, False, False, normal(shape[2], dtype, 2), "relu")


@pytest.mark.parametrize("layout", [(False, False), (False, True), (True, False), (True, True)], ids=str)
@pytest.mark.parametrize(("tile", "dtype"), TILES, ids=lambda value: getattr(value, "engine", str(value)))
def test_every_tile_puts_every_element_in_its_place(tile, dtype, layout, gpu, monkeypatch):
    monkeypatch.setattr(matmul_gpu, "choose_tile", lambda *_: tile)
    # Past the end of a tile in all directions, with and without rows that start where packs do.
    rows, columns = tile.rows, tile.columns
    for shape in ((rows + 3, 48, columns + 5), (rows + 16, 37, columns + 16), (rows + 8, 40, columns + 8)):
        a, b = factors(*shape, *layout, dtype, integers)
        bias = integers(shape[2], dtype, 2)
        with gpu.pinned(), own_products():
            y = matmul.product(gpu.put(a), gpu.put(b), *layout, gpu.put(bias))
        expected = (a.T if layout[0] else a).astype(float) @ (b.T if layout[1] else b).astype(float) + bias
        np.testing.assert_array_equal(gpu.get(y), expected)


def test_tiles_say_what_their_engines_are():
    for tile in matmul_gpu._sources:
        name, _, numbers = tile.engine.rstrip(">").partition("<")
        rows, columns, part_rows, part_columns = map(int, numbers.split(","))
        threads_of_part = 32 if name.endswith("TensorCores") else 1
        assert (tile.rows, tile.columns) == (rows, columns)
        assert tile.threads == rows // part_rows * (columns // part_columns) * threads_of_part


@few
@given(
    shapes=st.sampled_from(
        [
            ((3,), (3,)),
            ((3,), ()),
            ((), (3,)),
            ((2, 1), (1, 3)),
            ((2, 3), (3,)),
            ((3,), (2, 3)),
            ((1,), (4, 2)),
            ((2, 0), (2, 1)),
            ((1, 1), ()),
            ((2, 1, 2), (1, 3, 1)),
            ((2, 3, 1, 2), (2, 1, 2, 1)),
        ]
    ),
    m=st.integers(1, 20),
    k=st.integers(1, 20),
    n=st.integers(1, 40),
    transposed=st.booleans(),
    dtype=dtypes,
)
def test_leading_axes_are_broadcast(shapes, m, k, n, transposed, dtype, compare_gpu):
    a, b = normal((*shapes[0], m, k), dtype), normal((*shapes[1], k, n), dtype, 1)
    if transposed:
        a, b = (np.ascontiguousarray(array.swapaxes(-1, -2)) for array in (a, b))
    with own_products():
        compare_gpu(matmul.product, a, b, transposed, transposed, normal(n, dtype, 2), "relu")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 2000, 20), (30, 2001, 33), (2, 5000, 1)], ids=str)
def test_long_sums_are_made_in_parts(shape, dtype, gpu, compare_gpu):
    a, b = factors(*shape, True, False, dtype)
    assert tiles.cut_sum(1, shape[1], a.dtype)[0] > 1
    with own_products():
        compare_gpu(matmul.product, a, b, True, False, normal(shape[2], dtype, 2), "relu")
        compare_gpu(matmul.product, np.stack([a.T] * 2), np.stack([b] * 2))


@given(
    blocks=st.integers(1, 1000), depth=st.integers(0, 100_000), dtype=st.sampled_from(["float16", "float64"])
)
@settings(deadline=None, derandomize=True)
def test_parts_are_as_long_as_the_whole(blocks, depth, dtype):
    parts, stretch = tiles.cut_sum(blocks, depth, np.dtype(dtype))
    assert parts >= 1
    assert (parts - 1) * stretch < max(depth, 1) <= parts * stretch
    assert stretch % (64 // np.dtype(dtype).itemsize) == 0


def test_transposed_views_are_not_copied(gpu, monkeypatch):
    given = []
    monkeypatch.setattr(matmul_gpu, "launch", lambda function, grid, block, arrays: given.append(arrays[:2]))
    a, b = gpu.put(normal((30, 20), np.float32)), gpu.put(normal((30, 50), np.float32))
    with gpu.pinned(), own_products():
        matmul.product(a.T, b)
        matmul.product(a, b, transpose_a=True)
        matmul.product(a, a.T)
    places = [[address(array) for array in arrays] for arrays in (*given, (a, b))]
    assert places[0] == places[1] == places[3]
    assert places[2] == [places[3][0]] * 2


@pytest.mark.parametrize(
    ("dtype", "to"),
    [(np.float16, None), (np.float64, None), *((np.float32, to) for to in (None, *modes.ROUNDINGS))],
)
def test_nan_and_infinity_reach_exactly_their_entries(dtype, to, gpu):
    a, b = np.ones((70, 50), dtype), np.ones((50, 90), dtype)
    a[33, 49], b[0, 88] = np.nan, np.inf
    with gpu.pinned(), own_products(), rounded_products(to):
        y = gpu.get(matmul.product(gpu.put(a), gpu.put(b), activation="relu"))
    assert np.isnan(y[33]).all()
    assert np.isposinf(np.delete(y, 33, axis=0)[:, 88]).all()
    assert (np.delete(np.delete(y, 33, axis=0), 88, axis=1) == 50).all()


@pytest.mark.parametrize("columns", [5, 30])
def test_sums_of_float16_are_float32(columns, gpu):
    """2048 + 1 is none of float16's numbers."""
    a, b = np.ones((20, 102), np.float16), np.ones((102, columns), np.float16)
    b[0], b[101] = 2048, -2048
    with gpu.pinned(), own_products():
        np.testing.assert_array_equal(gpu.get(matmul.product(gpu.put(a), gpu.put(b))), 100)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("to", modes.ROUNDINGS)
def test_the_tile_follows_the_rounding(to, dtype, gpu):
    if not tiles.uses_tensor_cores(gpu.put(np.ones(1, np.float16))):
        pytest.skip("needs tensor cores of a newer GPU")
    array, sizes = gpu.put(np.ones(1, dtype)), ((4096, 4096, 1), (40, 40, 1))
    exact = [tiles.choose_tile(array, *size) for size in sizes]
    with rounded_products(to):
        rounded = [tiles.choose_tile(array, *size) for size in sizes]
        assert tiles.choose_tile(array, 4096, 16, 1) is tiles.NARROW
    with rounded_products(to), rounded_products(None):
        assert [tiles.choose_tile(array, *size) for size in sizes] == exact
    if dtype == np.float32:
        name = "BFLOAT" if to == "bfloat16" else "TENSOR"
        assert exact == [tiles.LARGE, tiles.SMALL]
        assert rounded == [getattr(tiles, f"{name}_LARGE"), getattr(tiles, f"{name}_SMALL")]
    else:
        assert rounded == exact


def test_unknown_roundings_are_refused():
    with (
        pytest.raises(ValueError, match=r"to must be one of .* or None, not 'half'"),
        rounded_products("half"),
    ):
        pass
    assert modes.rounding() is None


@pytest.mark.parametrize("layout", [(False, False), (False, True), (True, False), (True, True)], ids=str)
@pytest.mark.parametrize("to", modes.ROUNDINGS)
def test_factors_are_rounded_and_nothing_else(to, layout, gpu):
    a, b = factors(70, 40, 90, *layout, np.float32)
    half = 2.0 ** -(11 if to == "tf32" else 8)  # of the distance between two numbers above 1
    a.flat[:4] = 1 + half, 1 + 3 * half, -1 - half, 1 + half + 2.0**-20
    with gpu.pinned(), own_products(), rounded_products(to):
        y = gpu.get(matmul.product(gpu.put(a), gpu.put(b), *layout))
    left, right = (rounded(x, to).astype(np.float64) for x in (a, b))
    expected = (left.T if layout[0] else left) @ (right.T if layout[1] else right)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-4)
    exact = (a.T if layout[0] else a).astype(float) @ (b.T if layout[1] else b)
    assert np.abs(y - exact).max() > 5e-4  # it did round


def test_bfloat16_takes_the_nearest_number_and_of_two_the_even_one(gpu):
    cases = {
        1 + 2.0**-8: 1,
        1 + 3 * 2.0**-8: 1 + 2.0**-6,
        -1 - 2.0**-8: -1,
        1 + 2.0**-8 + 2.0**-23: 1 + 2.0**-7,
        2 - 2.0**-8: 2,
        2.0**-126 * (1 + 2.0**-8): 2.0**-126,
        -(2.0**127) * (2 - 2.0**-7): -(2.0**127) * (2 - 2.0**-7),  # the largest
        2.0**127 * (2 - 2.0**-8): np.inf,
        np.inf: np.inf,
        -np.inf: -np.inf,
        np.nan: np.nan,
        0.0: 0,
    }
    numbers, expected = np.array(list(cases.items()), np.float32).T
    np.testing.assert_array_equal(rounded(numbers, "bfloat16"), expected)
    column = gpu.put(np.tile(numbers, 4)[:, None])  # more than 16, which tensor cores would not compute
    row = gpu.put(np.ones((1, 40), np.float32))
    with gpu.pinned(), own_products(), rounded_products("bfloat16"):
        y = gpu.get(matmul.product(column, row))
    np.testing.assert_array_equal(y, np.tile(expected, 4)[:, None].repeat(40, 1))


def test_the_product_is_written_where_it_shall_be(gpu):
    a, b = normal((4, 30, 20), np.float32), normal((20, 7), np.float32, 1)
    out = gpu.put(np.full((4, 30, 7), np.nan, np.float32))
    with gpu.pinned():
        found = matmul.product(gpu.put(a), gpu.put(b), out=out)
    assert found is out
    np.testing.assert_allclose(gpu.get(out), a @ b, rtol=0, atol=1e-4)


@pytest.mark.parametrize("activation", [None, "relu"])
def test_bias_and_rectifier_cost_no_launch(activation, gpu):
    if not hasattr(gpu, "emulator"):
        pytest.skip("launches are counted by the emulation")
    a, b, bias = (gpu.put(normal(shape, np.float32)) for shape in ((30, 20), (20, 40), (40,)))
    before = gpu.emulator.launches
    with gpu.pinned():
        matmul.product(a, b, bias=bias, activation=activation)
    assert gpu.emulator.launches == before + 1


class Cublas:
    """In the place of cuBLAS: computes on NumPy arrays, and notes how exactly it was told to."""

    CUBLAS_OP_N, CUBLAS_OP_T, CUBLAS_GEMM_DEFAULT = 0, 1, -1
    CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_64F = 68, 70
    CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_COMPUTE_32F_FAST_16BF = 77, 75
    CUDA_R_32F, CUDA_R_64F, CUDA_R_16F = 0, 1, 2
    DTYPES = (np.float32, np.float64, np.float16)

    def __init__(self):
        self.computes = []

    def gemmStridedBatchedEx(
        self, handle, transa, transb, m, n, k, alpha, a, a_type, lda, stride_a, b, b_type, ldb, stride_b,
        beta, c, c_type, ldc, stride_c, count, compute, algorithm
    ):  # fmt: skip
        assert handle == 123
        assert algorithm == -1
        self.computes.append(compute)
        scalar = np.float64 if compute == self.CUBLAS_COMPUTE_64F else np.float32
        assert self.matrix(alpha, scalar, 1, 1, 1)[0, 0] == 1
        assert self.matrix(beta, scalar, 1, 1, 1)[0, 0] == 0
        dtypes = [self.DTYPES[kind] for kind in (a_type, b_type, c_type)]
        for i in range(count):
            sizes = [np.dtype(dtype).itemsize * i for dtype in dtypes]
            left = self.matrix(a + sizes[0] * stride_a, dtypes[0], *((k, m) if transa else (m, k)), lda)
            right = self.matrix(b + sizes[1] * stride_b, dtypes[1], *((n, k) if transb else (k, n)), ldb)
            result = self.matrix(c + sizes[2] * stride_c, dtypes[2], m, n, ldc)
            left, right = left.T if transa else left, right.T if transb else right
            result[...] = left.astype(np.float64) @ right.astype(np.float64)

    @staticmethod
    def matrix(address, dtype, rows, columns, pitch):
        """A matrix that counts columns first."""
        assert pitch >= rows
        bytes_ = np.dtype(dtype).itemsize * pitch * columns
        memory = (ctypes.c_uint8 * bytes_).from_address(address)
        return np.frombuffer(memory, dtype).reshape(columns, pitch).T[:rows]


@pytest.fixture
def cublas(gpu, monkeypatch):
    """Has cuBLAS compute every product, in the emulation by a stand-in."""
    monkeypatch.setattr(gpu_cublas, "_MUCH_WORK", 0)
    if not hasattr(gpu, "emulator"):
        return None
    stand_in = Cublas()
    library = SimpleNamespace(cublas=stand_in, runtime=stand_in, get_cublas_handle=lambda: 123)
    monkeypatch.setattr(gpu_cublas, "library", lambda: library)
    monkeypatch.setattr(gpu_cublas, "array_module", lambda array: None)
    monkeypatch.setattr(gpu_cublas, "_address", lambda array: array.ctypes.data)
    return stand_in


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("layout", [(False, False), (False, True), (True, False), (True, True)], ids=str)
def test_cublas_is_told_the_transposed_product(layout, dtype, cublas, compare_gpu):
    a, b = factors(7, 5, 9, *layout, dtype)
    compare_gpu(matmul.product, a, b, *layout, normal(9, dtype, 2), "relu")
    compare_gpu(matmul.product, np.stack([a, a + 1]), b, *layout)
    compare_gpu(matmul.product, a, np.stack([b, b - 1, b]), *layout, None, "relu")
    compare_gpu(matmul.product, np.stack([a, a + 1]), np.stack([b, -b]), *layout, normal(9, dtype, 2))
    if cublas is not None:
        assert len(cublas.computes) == 8  # of each, contiguous and strided
        assert set(cublas.computes) == {70 if dtype == np.float64 else 68}


def test_cublas_is_told_in_each_call_how_exactly_to_compute(gpu, cublas):
    if cublas is None:
        pytest.skip("looks at the arguments of a stand-in")
    x = gpu.put(np.ones((3, 3), np.float32))
    with gpu.pinned():
        with rounded_products("tf32"):
            matmul.product(x, x)
            matmul.product(x.astype(np.float64), x.astype(np.float64))
        with rounded_products("bfloat16"):
            matmul.product(x, x)
            matmul.product(x.astype(np.float16), x.astype(np.float16))
        matmul.product(x, x)
        with own_products():
            matmul.product(x, x)
    assert cublas.computes == [77, 70, 75, 68, 68]
