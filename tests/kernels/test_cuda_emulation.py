"""The emulation of CUDA itself: right kernels give the right results, and every kind of mistake is found."""

import numpy as np
import pytest

from cuda_emulation import EmulationError, Emulator, find_compiler
from tinynet_kernels import cuda
from tinynet_kernels.cuda.source import OPTIONS

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="needs Linux and g++ to emulate CUDA kernels")


@pytest.fixture
def run(pytestconfig):
    """Compiles a text and launches its kernel `test`; arrays that it writes are changed in place."""
    emulator = Emulator(pytestconfig.cache.mkdir("cuda_emulation"))

    def run(text, arguments, grid=1, block=64, shared_bytes=0):
        text = f'#line 1 "somewhere/test.cu"\n{text}'
        program = cuda.Program("test.cu", np.dtype(np.float32), text, OPTIONS)
        function = cuda.Function(program, "test", program.kernels()["test"])
        with cuda.installed(emulator):
            cuda.launch(function, grid, block, arguments, shared_bytes)

    return run


def floats(count):
    return np.random.default_rng(0).standard_normal(count).astype(np.float32)


BLOCK_SUMS = """
extern "C" __global__ void test(const float* x, float* y) {
    __shared__ float values[64];
    const int t = threadIdx.x;
    values[t] = x[blockIdx.x * 64 + t];
    __syncthreads();
    for (int half = 32; half > 0; half /= 2) {
        if (t < half) values[t] += values[t + half];
        __syncthreads();
    }
    if (t == 0) y[blockIdx.x] = values[0];
}
"""


def test_a_sum_in_shared_memory(run):
    x, y = floats(640), np.zeros(10, np.float32)
    run(BLOCK_SUMS, (x, y), grid=10)
    np.testing.assert_allclose(y, x.reshape(10, 64).sum(axis=1), rtol=1e-5)


def test_grids_and_blocks_of_three_dimensions(run):
    text = """extern "C" __global__ void test(int* y) {
        const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
        const int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
        y[block * 60 + thread] = 10000 * threadIdx.z + 100 * threadIdx.y + threadIdx.x + 7 * block;
    }"""
    y = np.full(24 * 60, -1, np.int32)
    run(text, (y,), grid=(2, 3, 4), block=(5, 4, 3))
    z, row, column = np.unravel_index(np.arange(60), (3, 4, 5))
    expected = 10000 * z + 100 * row + column + 7 * np.arange(24)[:, None]
    np.testing.assert_array_equal(y.reshape(24, 60), expected)


def test_shuffles_votes_and_atomics(run):
    text = """extern "C" __global__ void test(const int* x, int* y, int* total, unsigned* votes) {
        const int t = threadIdx.x;
        const unsigned all = 0xFFFFFFFFu;
        y[t] = __shfl_sync(all, x[t], 5);
        y[64 + t] = __shfl_up_sync(all, x[t], 3);
        y[128 + t] = __shfl_down_sync(all, x[t], 2, 8);
        y[192 + t] = __shfl_xor_sync(all, x[t], 16);
        if (t % 2) y[256 + t] = __shfl_sync(0xAAAAAAAAu, x[t], 31); else y[256 + t] = 0;
        atomicAdd(total, x[t]);
        const unsigned ballot = __ballot_sync(all, x[t] > 50);
        if (t % 32 == 0) votes[t / 32] = ballot;
    }"""
    x = np.random.default_rng(0).integers(0, 100, 64, np.int32)
    y, total, votes = np.zeros((5, 64), np.int32), np.zeros(1, np.int32), np.zeros(2, np.uint32)
    run(text, (x, y, total, votes))
    lanes, warps = np.arange(32), x.reshape(2, 32)
    down = np.where(lanes % 8 < 6, lanes + 2, lanes)
    np.testing.assert_array_equal(y[0].reshape(2, 32), warps[:, [5] * 32])
    np.testing.assert_array_equal(y[1].reshape(2, 32), warps[:, np.where(lanes < 3, lanes, lanes - 3)])
    np.testing.assert_array_equal(y[2].reshape(2, 32), warps[:, down % 32])
    np.testing.assert_array_equal(y[3].reshape(2, 32), warps[:, lanes ^ 16])
    np.testing.assert_array_equal(y[4].reshape(2, 32), np.where(lanes % 2, warps[:, [31]], 0))
    assert total[0] == x.sum()
    np.testing.assert_array_equal(votes, ((warps > 50).astype(np.int64) << lanes).sum(axis=1))


def test_dynamic_shared_memory_and_votes_of_a_block(run):
    text = """extern "C" __global__ void test(const int* x, int* y) {
        extern __shared__ int values[];
        values[threadIdx.x] = x[threadIdx.x];
        const int above = __syncthreads_count(x[threadIdx.x] > 50);
        y[threadIdx.x] = values[blockDim.x - 1 - threadIdx.x] + 1000 * above;
    }"""
    x, y = np.random.default_rng(0).integers(0, 100, 64, np.int32), np.zeros(64, np.int32)
    run(text, (x, y), shared_bytes=256)
    np.testing.assert_array_equal(y, x[::-1] + 1000 * (x > 50).sum())
    with pytest.raises(EmulationError, match=r"forbidden or misaligned memory at somewhere/test.cu:3"):
        run(text, (x, y), shared_bytes=240)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("y[i] = x[i + 1];", r"thread \(63, 0, 0\): reads or writes behind the end of x, 256 bytes"),
        (
            "y[i + 1] = x[i];",
            r"thread \(63, 0, 0\): reads or writes behind the end of y.* at somewhere/test.cu:3",
        ),
        ("y[i - 1] = x[i];", r"writes before the start of y"),
        ("y[i] = i == 0 ? x[-1] : x[i];", r"memory that was not written.*: element 0 is nan"),
        ("const_cast<float*>(x)[i] = 1;", r"writes to x, 0 bytes from its start"),
        ("y[i] = x[i] * (i / int(blockIdx.x));", r"division of an integer by 0 at somewhere/test.cu:3"),
        ("y[i] = 2147483647 + i;", r"overflow of an integer"),
    ],
)
def test_accesses_beside_arrays_are_found(mistake, message, run):
    text = f"""extern "C" __global__ void test(const float* x, float* y) {{
        const int i = threadIdx.x;
        {mistake}
    }}"""
    with pytest.raises(EmulationError, match=r"^kernel test of test.cu: .*" + message):
        run(text, (floats(64), np.zeros(64, np.float32)))


def test_an_index_outside_a_shared_array_is_found(run):
    text = BLOCK_SUMS.replace("values[64]", "values[63]")
    with pytest.raises(
        EmulationError, match=r"thread \(63.*outside an array of fixed size.* at somewhere/test.cu:5"
    ):
        run(text, (floats(64), np.zeros(1, np.float32)))


@pytest.mark.parametrize("barrier", [0, 1])
def test_a_missing_barrier_is_found(barrier, run):
    parts = BLOCK_SUMS.split("__syncthreads();")
    between = ["" if i == barrier else "__syncthreads();" for i in range(2)]
    text = parts[0] + between[0] + parts[1] + between[1] + parts[2]
    with pytest.raises(EmulationError, match="y depends on the order in which threads run"):
        run(text, (floats(64), np.zeros(1, np.float32)))


def test_a_barrier_that_is_missing_at_the_end_of_a_loop_is_found(run):
    """Nobody may overwrite what others still have to read."""
    text = """extern "C" __global__ void test(const float* x, float* y) {
        __shared__ float values[64];
        for (int round = 0; round < 2; ++round) {
            values[threadIdx.x] = x[64 * round + threadIdx.x];
            __syncthreads();
            y[64 * round + threadIdx.x] = values[63 - threadIdx.x];
            LAST
        }
    }"""
    x, y = floats(128), np.zeros(128, np.float32)
    run(text.replace("LAST", "__syncthreads();"), (x, y))
    np.testing.assert_array_equal(y.reshape(2, 64), x.reshape(2, 64)[:, ::-1])
    with pytest.raises(EmulationError, match="y depends on the order in which threads run"):
        run(text.replace("LAST", ""), (x, y))


def test_a_warp_that_runs_ahead_of_the_others_is_found(run):
    text = """extern "C" __global__ void test(const int* x, int* y) {
        __shared__ int of_warps[2];
        for (int round = 0; round < 2; ++round) {
            int sum = x[64 * round + threadIdx.x];
            for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, d);
            if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = sum;
            __syncthreads();
            y[64 * round + threadIdx.x] = of_warps[0] + of_warps[1];
            LAST
        }
    }"""
    x, y = np.arange(128, dtype=np.int32), np.zeros(128, np.int32)
    run(text.replace("LAST", "__syncthreads();"), (x, y))
    np.testing.assert_array_equal(y, np.repeat(x.reshape(2, 64).sum(axis=1), 64))
    with pytest.raises(EmulationError, match="y depends on the order in which threads run"):
        run(text.replace("LAST", ""), (x, y))


def test_shared_memory_that_was_not_written_is_found(run):
    text = BLOCK_SUMS.replace("values[t] = x", "if (t != 17) values[t] = x")
    with pytest.raises(EmulationError, match="memory that was not written before it was read"):
        run(text, (floats(64), np.zeros(1, np.float32)))


def test_shared_memory_is_lost_between_blocks(run):
    text = """extern "C" __global__ void test(float* y) {
        __shared__ float kept;
        if (blockIdx.x == 0) kept = 1;
        y[blockIdx.x] = kept;
    }"""
    with pytest.raises(EmulationError, match="memory that was not written before it was read"):
        run(text, (np.zeros(2, np.float32),), grid=2, block=1)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "if (t < 32) __syncthreads();",
            r"waits in __syncthreads at line 3, but thread \(63, 0, 0\) has ended",
        ),
        (
            "if (t < 32)\n__syncthreads(); else\n__syncthreads();",
            r"waits in __syncthreads at line 4, but thread \(63, 0, 0\) waits at line 5",
        ),
        (
            "if (t % 2) y[t] = __shfl_sync(0xFFFFFFFFu, y[t], 1); else __syncthreads();",
            "lanes that never come",
        ),
        ("if (t % 2) y[t] = __shfl_sync(0xFFFFFFFFu, y[t], 1);", "don't exist or have ended"),
        ("y[t] = __shfl_sync(1u, y[t], 0);", "a mask without itself"),
        (
            "if (t == 0) y[t] = __shfl_sync(1u, y[t], 5);",
            "reads from a lane of its warp that is not in the mask",
        ),
    ],
)
def test_threads_that_do_not_meet_are_found(body, message, run):
    text = f'extern "C" __global__ void test(float* y) {{\nconst int t = threadIdx.x;\n{body}\n}}'
    with pytest.raises(EmulationError, match=message):
        run(text, (np.zeros(64, np.float32),))


def test_floating_point_atomics_are_found(run):
    """Their sums depend on the order in which the threads happen to come."""
    text = 'extern "C" __global__ void test(const float* x, float* y) { atomicAdd(y, x[threadIdx.x]); }'
    with pytest.raises(EmulationError, match="y depends on the order"):
        run(text, (floats(64), np.zeros(1, np.float32)))


def test_blocks_that_depend_on_each_other_are_found(run):
    text = """extern "C" __global__ void test(int* y) {
        if (blockIdx.x > 0) y[blockIdx.x] = y[blockIdx.x - 1] + 1;
    }"""
    with pytest.raises(EmulationError, match="y depends on the order"):
        run(text, (np.zeros(5, np.int32),), grid=5, block=1)


def test_it_goes_on_after_an_error(run):
    x, y = floats(64), np.zeros(1, np.float32)
    for _ in range(3):
        with pytest.raises(EmulationError):
            run(BLOCK_SUMS, (x[:63], y))
        run(BLOCK_SUMS, (x, y))
        np.testing.assert_allclose(y, x.sum(), rtol=1e-5)


def test_an_array_may_be_given_twice_but_not_overlap(run):
    text = (
        'extern "C" __global__ void test(const float* x, float* y) { y[threadIdx.x] = 2 * x[threadIdx.x]; }'
    )
    x = floats(65)
    expected = 2 * x[:64]
    run(text, (x[:64], x[:64]))
    np.testing.assert_array_equal(x[:64], expected)
    with pytest.raises(EmulationError, match="two arrays overlap"):
        run(text, (x[:64], x[1:]))


def test_new_arrays_hold_nan(pytestconfig):
    array = Emulator(pytestconfig.cache.mkdir("cuda_emulation")).empty((2, 3), np.float32)
    assert np.isnan(array).all()


def test_what_does_not_compile_says_where(run):
    with pytest.raises(RuntimeError, match=r"(?s)test.cu does not compile as C\+\+.*somewhere/test.cu:1"):
        run('extern "C" __global__ void test(float* y) { y[0] = nonsense; }', (floats(1),))


def test_numbers_of_16_bits_are_those_of_numpy(run):
    text = """extern "C" __global__ void test(const float* x, unsigned short_count, float* y) {
        const unsigned i = blockIdx.x * 64 + threadIdx.x;
        if (i < short_count) y[i] = emulation::half_value(emulation::half_bits(x[i]));
    }"""
    every = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)
    random = np.random.default_rng(0)
    wide = (random.standard_normal(20_000) * 2.0 ** random.integers(-28, 17, 20_000)).astype(np.float32)
    between = (every[1:1000] + every[:999]) / 2  # as near to one as to the other
    x = np.concatenate([every, wide, between, -between])
    y = np.empty_like(x)
    run(text, (x, x.size, y), grid=-(-x.size // 64))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(y, x.astype(np.float16).astype(np.float32))
