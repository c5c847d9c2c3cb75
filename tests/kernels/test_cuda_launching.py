"""What is checked before a CUDA kernel is launched, and how sources become programs."""

import sys
import types

import numpy as np
import pytest

from tinynet_kernels import cuda, softmax
from tinynet_kernels.cuda.cupy_backend import CupyBackend
from tinynet_kernels.cuda.signature import Parameter, parse
from tinynet_kernels.softmax import gpu as softmax_gpu


class Recorder:
    """A back end that runs nothing."""

    def __init__(self):
        self.launches = []

    def serves(self, array):
        return isinstance(array, np.ndarray)

    def empty(self, shape, dtype):
        return np.zeros(shape, dtype)

    def launch(self, *arguments):
        self.launches.append(arguments)


TEXT = """
// extern "C" __global__ void not_this_one(int x) {
extern "C" __global__ void __launch_bounds__(256) add(const Real* __restrict__ x, const Index *places,
    Accumulator factor, bool interpolates, int count, Real* y  /* the result */) { }
extern "C" __global__ void fill(unsigned char*y,unsigned long long size){ }
__device__ void helper(int x) { }
"""


def test_signatures_are_read_from_the_source():
    kernels = parse(TEXT, np.float16)
    assert sorted(kernels) == ["add", "fill"]
    assert kernels["add"] == (
        Parameter("x", np.float16, True, False),
        Parameter("places", np.int64, True, False),
        Parameter("factor", np.float32, False, False),
        Parameter("interpolates", np.bool_, False, False),
        Parameter("count", np.int32, False, False),
        Parameter("y", np.float16, True, True),
    )
    assert kernels["fill"] == (
        Parameter("y", np.uint8, True, True),
        Parameter("size", np.uint64, False, False),
    )
    assert parse(TEXT, np.float64)["add"][2].dtype == np.float64


def test_parameters_of_other_types_are_refused():
    with pytest.raises(
        ValueError, match=r"parameter 'Shape shape' of kernel f is neither a number nor a pointer"
    ):
        parse('extern "C" __global__ void f(Shape shape) {', np.float32)


@pytest.fixture
def function():
    program = cuda.Program("add.cu", np.dtype(np.float32), TEXT, ())
    return cuda.Function(program, "add", program.kernels()["add"])


def launched(function, *changes, grid=1, block=32):
    """The arguments that reach the back end, after some are replaced: (place, value)."""
    arguments = [np.zeros(3, np.float32), np.zeros(3, np.int64), 0.5, True, 7, np.zeros(3, np.float32)]
    for place, value in changes:
        arguments[place] = value
    with cuda.installed(Recorder()) as recorder:
        cuda.launch(function, grid, block, arguments)
    return recorder.launches[0]


def test_numbers_get_the_declared_types(function):
    _, grid, block, arguments, shared_bytes = launched(function, (0, None), (4, np.int64(7)), grid=(2, 3))
    assert (grid, block, shared_bytes) == ((2, 3, 1), (32, 1, 1), 0)
    assert arguments[0] is None
    assert [type(argument) for argument in arguments[2:5]] == [np.float32, np.bool_, np.int32]


@pytest.mark.parametrize(
    ("place", "value", "error", "message"),
    [
        (
            0,
            np.zeros(3),
            ValueError,
            "x must be a contiguous array of float32, but has dtype float64 and shape",
        ),
        (0, np.zeros(6, np.float32)[::2], ValueError, r"float32 and shape \(3,\) and is not contiguous"),
        (0, [1.0], TypeError, "x must be an array on the device, not list of builtins"),
        (4, 2**31, ValueError, "count = 2147483648 does not fit into int32"),
        (4, 1.5, TypeError, "count must be an integer, not 1.5"),
    ],
)
def test_wrong_arguments_are_named(place, value, error, message, function):
    with pytest.raises(error, match=r"^kernel add of add.cu: .*" + message):
        launched(function, (place, value))


def test_wrong_numbers_of_arguments_and_sizes(function):
    with pytest.raises(TypeError, match=r"kernel add of add.cu: takes 6 arguments, not 0"):
        cuda.launch(function, 1, 32, ())
    with pytest.raises(ValueError, match=r"one to three sizes of at least 1, not \(0,\)"):
        launched(function, grid=0)


def test_the_other_back_end_is_gone_afterwards():
    before = cuda.backend()
    with cuda.installed(Recorder()) as recorder:
        assert cuda.backend() is recorder
    assert cuda.backend() is before


def test_sources_know_their_kernels_dtypes_and_variants():
    source = softmax_gpu._source
    function = source.function("softmax", np.float32, TEAM="WarpTeam")
    assert function is source.function("softmax", np.dtype(np.float32), TEAM="WarpTeam")
    assert function.program.options == ("--std=c++17", "-DREAL_FLOAT32", "-DTEAM=WarpTeam")
    assert len({id(program) for program in source.programs()}) == 6
    with pytest.raises(ValueError, match=r"softmax/gpu.cu is not compiled for int32"):
        source.function("softmax", np.int32, TEAM="WarpTeam")
    with pytest.raises(ValueError, match=r"is not compiled for float32 and {}"):
        source.function("softmax", np.float32)
    with pytest.raises(ValueError, match="has no kernel 'softmin', only cross_entropy, "):
        source.function("softmin", np.float32, TEAM="WarpTeam")


def test_what_is_included_stands_in_the_text_once_and_lines_keep_their_numbers():
    text = softmax_gpu._source.programs()[0].text
    assert text.count("struct WarpTeam") == 1
    assert text.count('#line 1 "cuda/common.cuh"') == 1
    assert '#include "' not in text
    whole = softmax_gpu._source._folder.joinpath("gpu.cu").read_text().splitlines()
    directive = text.rindex("#line")
    number, _, rest = text[directive + len("#line ") :].partition(' "softmax/gpu.cu"\n')
    assert rest.splitlines() == whole[int(number) - 1 :]


def test_empty_inputs_launch_nothing():
    with cuda.installed(Recorder()) as recorder:
        assert softmax_gpu.softmax(np.zeros((0, 5), np.float32)).shape == (0, 5)
        assert recorder.launches == []
        softmax_gpu.softmax(np.zeros((20, 5), np.float32))
    assert [(launch[0].name, *launch[1:3]) for launch in recorder.launches] == [
        ("softmax", (3, 1, 1), (256, 1, 1))
    ]


def test_arrays_without_axes_stay_so():
    x = np.zeros((2, 3), np.float32)
    assert cuda.contiguous(x) is x
    assert cuda.contiguous(None) is None
    assert cuda.contiguous(x.T).flags.c_contiguous
    assert cuda.contiguous(np.zeros((), np.int32), "int64").shape == ()


class FakeKernel:
    max_dynamic_shared_size_bytes = 48 * 1024

    def __init__(self):
        self.calls = []

    def __call__(self, *arguments, **options):
        self.calls.append((arguments, options))


def test_launches_reach_cupy(function, monkeypatch):
    kernel = FakeKernel()
    modules = []

    class RawModule:
        def __init__(self, code, options):
            modules.append((code, options))

        def get_function(self, name):
            assert name == "add"
            return kernel

    monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace(RawModule=RawModule, ndarray=np.ndarray))
    backend = CupyBackend()
    assert backend.serves(np.zeros(2))
    for shared_bytes in (0, 1000, 100_000):
        backend.launch(function, (2, 1, 1), (32, 1, 1), (None, np.float32(3)), shared_bytes)
    assert modules == [(TEXT, ())]
    assert kernel.calls[2] == (((2, 1, 1), (32, 1, 1), (0, np.float32(3))), {"shared_mem": 100_000})
    assert kernel.max_dynamic_shared_size_bytes == 100_000


def test_numpy_arrays_never_go_to_the_gpu_unasked():
    with cuda.installed(Recorder()) as recorder:
        softmax.softmax(np.zeros((2, 3), np.float16))
    assert recorder.launches == []
