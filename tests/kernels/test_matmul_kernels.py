"""The matrix product: agreement with the reference on every shape and layout, and its promises."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import matmul, pinned
from tinynet_kernels.matmul import cpu
from tinynet_kernels.matmul.blocking import blocking

few = settings(deadline=None, derandomize=True, max_examples=150)
dtypes = st.sampled_from([np.float32, np.float64])
# Around the sizes of tiles (12, 16, 32), and beyond a task and a block of the sum over k (360, 256).
sizes = st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 120, 241, 300, 515]))
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}


def run_python(code, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def normal(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_near(found, a, b, dtype):
    """`found` is a @ b within the promised tolerance, relative to the largest entry."""
    expected = np.matmul(a.astype(np.float64), b.astype(np.float64))
    assert found.dtype == dtype
    assert found.shape == expected.shape
    tolerance = TOLERANCE[dtype] * max(1, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


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
def test_takes_agree(m, k, n, transpose_a, transpose_b, has_bias, activation, dtype, compare_takes):
    a = normal((k, m) if transpose_a else (m, k), dtype)
    b = normal((n, k) if transpose_b else (k, n), dtype, 1)
    bias = normal(n, dtype, 2) if has_bias else None
    compare_takes(
        matmul.product,
        *(a, b, transpose_a, transpose_b, bias, activation),
        tolerance=TOLERANCE[dtype],
    )


@few
@given(
    shapes=st.sampled_from(
        [
            ((3,), (3,)),
            ((3,), ()),
            ((), (3,)),
            ((2, 1), (1, 3)),
            ((2, 3), (3,)),
            ((1,), (4, 2)),
            ((2, 0), (2, 1)),
            ((1, 1), ()),
            ((65,), (65,)),
        ]
    ),
    m=st.integers(1, 30),
    k=st.integers(1, 30),
    n=st.integers(1, 40),
    transposed=st.booleans(),
    dtype=dtypes,
)
def test_leading_axes_are_broadcast(shapes, m, k, n, transposed, dtype, compare_takes):
    a, b = normal((*shapes[0], m, k), dtype), normal((*shapes[1], k, n), dtype, 1)
    if transposed:
        a, b = (np.ascontiguousarray(array.swapaxes(-1, -2)) for array in (a, b))
    bias = normal(n, dtype, 2)
    compare_takes(matmul.product, a, b, transposed, transposed, bias, "relu", tolerance=TOLERANCE[dtype])


def views(array):
    """Arrays equal to the matrix `array`, in many layouts."""
    wide = np.zeros((2 * array.shape[0], 3 * array.shape[1]), array.dtype)
    wide[::2, ::3] = array
    yield "strided", wide[::2, ::3]
    yield "column-major", np.asfortranarray(array)
    yield "reversed", np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1]
    yield "reversed rows", np.ascontiguousarray(array[::-1])[::-1]
    shifted = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    shifted[...] = array
    yield "unaligned", shifted
    padded = np.full((array.shape[0] + 2, array.shape[1] + 2000), np.nan, array.dtype)
    padded[1:-1, 7:-1993] = array
    yield "part of a wide matrix", padded[1:-1, 7:-1993]
    tall = np.full((array.shape[1], array.shape[0] + 2000), np.nan, array.dtype).T
    tall[7:-1993] = array
    yield "part of a wide matrix, transposed", tall[7:-1993]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(53, 37, 101), (130, 40, 150)], ids=str)
def test_views_of_every_kind(shape, dtype):
    m, k, n = shape
    a, b = normal((m, k), dtype), normal((k, n), dtype, 1)
    with pinned("cpu"):
        for _, view in views(a):
            assert_near(matmul.product(view, b), a, b, dtype)
        for _, view in views(b):
            assert_near(matmul.product(a, view), a, b, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_broadcast_views_have_strides_of_zero(dtype):
    row, column = np.broadcast_to(normal((1, 33), dtype), (20, 33)), normal((20, 1), dtype)
    column = np.broadcast_to(column, (20, 33))
    with pinned("cpu"):
        for array in (row, column):
            assert_near(matmul.product(array, array, transpose_b=True), array, array.T, dtype)
            assert_near(matmul.product(array, array, transpose_a=True), array.T, array, dtype)


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0)], ids=str)
def test_empty(shape, compare_takes):
    m, k, n = shape
    y = compare_takes(matmul.product, np.ones((m, k)), np.ones((k, n)), False, False, np.arange(n) + 1.0)
    np.testing.assert_array_equal(y, np.broadcast_to(np.arange(n) + 1.0, (m, n)))


def test_not_a_number_spreads_to_its_row_and_column_only():
    a, b = np.ones((70, 50), np.float32), np.ones((50, 90), np.float32)
    a[33, 7], b[9, 88] = np.nan, np.inf
    with pinned("cpu"):
        y = matmul.product(a, b, activation="relu")
    assert np.isnan(y[33]).all()
    assert np.isposinf(np.delete(y, 33, axis=0)[:, 88]).all()
    assert (np.delete(np.delete(y, 33, axis=0), 88, axis=1) == 50).all()


def test_one_entry_of_each_operand_reaches_exactly_its_entries():
    m, k, n = 260, 520, 290
    with pinned("cpu"):
        for i, j in ((0, 0), (259, 519), (215, 256), (100, 300)):
            a, b = np.zeros((m, k)), normal((k, n), np.float64)
            a[i, j] = 2
            expected = np.zeros((m, n))
            expected[i] = 2 * b[j]
            np.testing.assert_array_equal(matmul.product(a, b), expected)


@pytest.mark.parametrize("shape", [(130, 300, 140), (16, 700, 1030), (37, 5, 11), (500, 90, 3)], ids=str)
def test_the_number_of_threads_changes_nothing(shape):
    numba = pytest.importorskip("numba")
    before = numba.get_num_threads()
    if before == 1:
        pytest.skip("there is only one thread here")
    m, k, n = shape
    a, b = normal((m, k), np.float32), normal((k, n), np.float32, 1)
    with pinned("cpu"):
        together = [matmul.product(a, b), matmul.product(a.T.copy(), b.T.copy(), True, True)]
        try:
            numba.set_num_threads(1)
            alone = [matmul.product(a, b), matmul.product(a.T.copy(), b.T.copy(), True, True)]
        finally:
            numba.set_num_threads(before)
    for first, second in zip(together, alone, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "shape", [(100, 700, 1030), (49, 700, 1030), (16, 700, 1030), (300, 90, 64)], ids=str
)
def test_the_cut_into_tasks_changes_nothing(shape, monkeypatch):
    m, k, n = shape
    a, b = normal((m, k), np.float32), normal((k, n), np.float32, 1)
    results = []
    for threads in (1, 3, 64):
        monkeypatch.setattr("tinynet_kernels.matmul.cpu.get_num_threads", lambda threads=threads: threads)
        with pinned("cpu"):
            results.append(matmul.product(a, b))
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])


@given(
    batch=st.integers(1, 100),
    rows=st.integers(1, 10_000),
    columns=st.integers(1, 10_000),
    depth=st.integers(1, 10_000),
    threads=st.integers(1, 64),
)
@settings(deadline=None, derandomize=True)
def test_the_blocks_of_the_sum_do_not_depend_on_the_tasks(batch, rows, columns, depth, threads):
    found = blocking(batch, rows, columns, depth, 12, 32, threads)
    assert found.rows % 12 == found.columns % 32 == 0
    assert 12 <= found.rows <= 360
    assert 32 <= found.columns <= 1024
    assert 1 <= found.depth <= 256
    assert found.depth == blocking(1, 1, 1, depth, 12, 32, 1).depth


BETWEEN_PAGES = """
import ctypes, mmap
import numpy as np
from tinynet_kernels import matmul, pinned

libc = ctypes.CDLL(None, use_errno=True)
libc.mprotect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
page, NO_ACCESS = mmap.PAGESIZE, 0
kept = []

def fenced(array, at_end):
    pages = -(-array.nbytes // page)
    memory = mmap.mmap(-1, (pages + 2) * page)
    raw = np.frombuffer(memory, np.uint8)
    for fence in (0, pages + 1):
        assert libc.mprotect(raw.ctypes.data + fence * page, page, NO_ACCESS) == 0
    kept.append(memory)
    first = (pages + 1) * page - array.nbytes if at_end else page
    view = raw[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view

random = np.random.default_rng(0)
with pinned("cpu"):
    for dtype in (np.float32, np.float64):
        for m, k, n in [
            (1, 1, 1), (13, 17, 35), (51, 300, 31), (100, 19, 270),
            (3, 1100, 9), (60, 1100, 290),
        ]:
            a, b = random.standard_normal((m, k)).astype(dtype), random.standard_normal((k, n)).astype(dtype)
            expected = a.astype(float) @ b
            for at_end in (False, True):
                for ta in (False, True):
                    for tb in (False, True):
                        left, right = fenced(a.T if ta else a, at_end), fenced(b.T if tb else b, at_end)
                        y = matmul.product(left, right, ta, tb)
                        assert abs(y - expected).max() < 1e-3, (m, k, n, ta, tb)
print("whole")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the fences are made with Linux's mprotect")
def test_nothing_is_read_beyond_the_operands():
    assert run_python(BETWEEN_PAGES).strip() == "whole"


def test_compiled_code_is_kept_on_disk(tmp_path):
    code = (
        "import numpy, tinynet_kernels.matmul as matmul\n"
        "matmul.product(numpy.ones((3, 2), 'f4'), numpy.ones((2, 5), 'f4'))\n"
        "a = numpy.ones((5, 7), 'f4')[:, ::3]\n"
        "matmul.product(a, numpy.ones((4, 3), 'f4'), False, True, None, 'relu')\n"
        "from tinynet_kernels.matmul.cpu import _multiply\n"
        "print(sum(_multiply.stats.cache_hits.values()), sum(_multiply.stats.cache_misses.values()))\n"
    )
    assert run_python(code, NUMBA_CACHE_DIR=str(tmp_path)).strip() == "0 1"
    assert run_python(code, NUMBA_CACHE_DIR=str(tmp_path)).strip() == "1 0"


@pytest.mark.parametrize("depth", [8191, 8192, 30_001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_long_sums_are_made_in_parts(depth, dtype, compare_takes):
    a, b, bias = normal((depth, 33), dtype), normal((depth, 70), dtype, 1), normal(70, dtype, 2)
    assert cpu._parts(33, 70, depth) > 1
    compare_takes(matmul.product, a, b, True, False, bias, "relu")
    compare_takes(matmul.product, np.ascontiguousarray(a.T), b)


def test_long_sums_are_made_in_parts_behind_leading_axes_of_one(compare_takes):
    assert cpu._parts(1, 3, 4096) > 1
    compare_takes(matmul.product, normal((1, 1, 1, 4096), np.float32), normal((4096, 3), np.float32, 1))
    compare_takes(matmul.product, normal((1, 4, 4096), np.float32), normal((1, 4096, 3), np.float32, 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("features", "vector_bytes"), [("+sse2", 16), ("+avx,+avx2,+fma", 32)], ids=["SSE2", "AVX2"]
)
def test_processors_with_shorter_vectors(features, vector_bytes, tmp_path):
    cpu_features = pytest.importorskip("llvmlite.binding").get_host_cpu_features()
    if not all(cpu_features.get(name[1:], False) for name in features.split(",")):
        pytest.skip(f"this processor does not have {features}")
    code = (
        "import numpy as np, tinynet_kernels.matmul as matmul\n"
        "from tinynet_kernels.simd.vectors import VECTOR_BYTES\n"
        "random = np.random.default_rng(0)\n"
        "for m, k, n in ((1, 1, 1), (47, 130, 53), (70, 300, 400)):\n"
        "    a, b = random.standard_normal((m, k)), random.standard_normal((k, n))\n"
        "    for left, right, ta, tb in ((a, b, 0, 0), (a.T, b.T, 1, 1)):\n"
        "        y = matmul.product(left.astype('f4', order='C'), right.astype('f4', order='C'), ta, tb)\n"
        "        assert abs(y - a @ b).max() < 1e-3\n"
        "print(VECTOR_BYTES)\n"
    )
    environment = {
        "NUMBA_CPU_NAME": "x86-64",
        "NUMBA_CPU_FEATURES": features,
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    assert run_python(code, **environment).strip() == str(vector_bytes)


def test_matrices_in_float16_stay_in_float16():
    y = matmul.product(np.ones((2, 3), np.float16), np.ones((3, 2), np.float16))
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y, 3)


def test_errors_name_the_arguments_and_the_shapes():
    a, b = np.ones((2, 3)), np.ones((4, 5))
    with pytest.raises(ValueError) as error:
        matmul.product(a, b)
    assert str(error.value) == (
        "matmul.product: the sum runs over 3 entries in a (shape (2, 3)) but 4 in b (shape (4, 5))"
    )
    with pytest.raises(ValueError) as error:
        matmul.product(a, b, True, True)
    assert str(error.value) == (
        "matmul.product: the sum runs over 2 entries in a (shape (2, 3), transposed) but 5 in b "
        "(shape (4, 5), transposed)"
    )
    with pytest.raises(ValueError, match=r"at least 2 dimensions, but have shapes \(3,\) and \(4, 5\)"):
        matmul.product(a[0], b)
    with pytest.raises(ValueError) as error:
        matmul.product(np.ones((2, 7, 2, 3)), np.ones((3, 7, 3, 5)))
    assert str(error.value) == (
        "matmul.product: axis -4 of a (shape (2, 7, 2, 3)) and b (shape (3, 7, 3, 5)) has 2 and 3 entries, "
        "which cannot be broadcast"
    )
    with pytest.raises(ValueError) as error:
        matmul.product(a, np.ones((3, 5)), bias=np.ones(4))
    assert str(error.value) == "matmul.product: bias has shape (4,), but b (shape (3, 5)) needs (5,)"
    with pytest.raises(ValueError, match="there is no activation 'gelu'; choose None or 'relu'"):
        matmul.product(a, np.ones((3, 5)), activation="gelu")
