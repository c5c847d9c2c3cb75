"""How a take is chosen, what is imported when, threads, and the compiled code on disk."""

import importlib.util
import inspect
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import tinynet_kernels
from tinynet_kernels import (
    activation,
    boxes,
    conv,
    ctc,
    cuda,
    dropout,
    indexing,
    joining,
    matmul,
    norm,
    optimizer,
    pinned,
    pool,
    recurrent,
    routing,
    sampling,
    softmax,
)
from tinynet_kernels.dispatch import Family

FAMILIES = (
    activation,
    boxes,
    conv,
    ctc,
    dropout,
    indexing,
    joining,
    matmul,
    norm,
    optimizer,
    pool,
    recurrent,
    routing,
    sampling,
    softmax,
)


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


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_every_function_has_both_takes_and_a_docstring(family):
    takes = [__import__(f"{family.__name__}.{take}", fromlist=["_"]) for take in ("reference", "cpu")]
    for name in set(family.__all__) - {"Plan", "observed_plans", "output_size", "plan"}:
        assert getattr(family, name).__doc__
        assert all(callable(getattr(take, name)) for take in takes)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_the_gpu_take_has_the_functions_of_the_reference(family):
    if importlib.util.find_spec(f"{family.__name__}.gpu") is None:
        pytest.skip("this family has no CUDA kernels")
    reference, gpu = (importlib.import_module(f"{family.__name__}.{take}") for take in ("reference", "gpu"))
    for name in (set(family.__all__) & set(vars(reference))) - {"output_size"}:
        assert inspect.signature(getattr(gpu, name)) == inspect.signature(getattr(reference, name)), name
    x = np.ones(1, np.float32)
    with cuda.installed(AcceptingBackend()), pinned("gpu"):
        assert family._family.take(x) is gpu


class AcceptingBackend:
    """Takes every array for one of the device."""

    def serves(self, array):
        return True


@pytest.mark.parametrize(
    ("array", "take"),
    [
        (np.ones((2, 3), np.float32), "cpu"),
        (np.ones((2, 3)), "cpu"),
        (np.ones((2, 3), np.float16), "reference"),
        (np.ones((2, 3), ">f4"), "reference"),
    ],
)
def test_the_arrays_choose_the_take(array, take):
    assert Family("tinynet_kernels.softmax").take(array).__name__ == f"tinynet_kernels.softmax.{take}"


def test_mixed_dtypes_use_the_reference():
    family = Family("tinynet_kernels.softmax")
    assert family.take(np.ones(1), np.ones(1, np.float32)).__name__ == "tinynet_kernels.softmax.reference"
    y = softmax.softmax_backward(np.ones((1, 2)), np.ones((1, 2), np.float32))
    assert y.dtype == np.float64


def test_pinned_names_are_checked():
    with pytest.raises(ValueError) as error, pinned("tpu"):
        pass
    assert (
        str(error.value) == "pinned: there is no take 'tpu'; choose one of reference, cpu, gpu, strict, fast"
    )


def test_pinned_cpu_refuses_what_it_does_not_serve():
    with pytest.raises(TypeError) as error, pinned("cpu"):
        softmax.softmax(np.ones((1, 2), np.float16))
    assert str(error.value) == (
        "tinynet_kernels.softmax: the cpu take serves NumPy arrays that are all float32 or all float64, "
        "not numpy float16"
    )


def test_pinned_gpu_refuses_what_it_does_not_serve():
    with pytest.raises(TypeError) as error, pinned("gpu"):
        softmax.softmax(np.ones((1, 2), np.float32))
    assert str(error.value) == (
        "tinynet_kernels.softmax: the gpu take serves CuPy arrays of one dtype among (float16, float32, "
        "float64), not numpy float32"
    )


def test_pinned_gpu_refuses_families_without_cuda_kernels():
    with pytest.raises(TypeError, match="the gpu take serves nothing, since this family has no CUDA kernels"):
        Family("tinynet_kernels.softmax")._serving("gpu", (np.ones(1),))


def test_pinned_nests_and_ends_and_belongs_to_its_thread():
    family, x = Family("tinynet_kernels.softmax"), np.ones(1)
    seen = []
    with pinned("reference"):
        with pinned("cpu"):
            seen.append(family.take(x).__name__)
        thread = threading.Thread(target=lambda: seen.append(family.take(x).__name__))
        thread.start()
        thread.join()
        seen.append(family.take(x).__name__)
    seen.append(family.take(x).__name__)
    assert [name.rpartition(".")[2] for name in seen] == ["cpu", "cpu", "reference", "cpu"]


def test_array_module():
    assert tinynet_kernels.array_module(np.ones(1)) is np
    with pytest.raises(TypeError, match="expected a NumPy or CuPy array, got list"):
        tinynet_kernels.array_module([1.0])


def test_numba_is_imported_by_the_first_call_of_the_cpu_take_only():
    run_python(
        "import sys, os, numpy, tinynet_kernels as tk\n"
        "assert 'numba' not in sys.modules and 'cupy' not in sys.modules\n"
        "with tk.pinned('reference'): tk.softmax.softmax(numpy.ones((1, 2)))\n"
        "assert 'numba' not in sys.modules\n"
        "before = dict(os.environ)\n"
        "tk.softmax.softmax(numpy.ones((1, 2)))\n"
        "assert 'numba' in sys.modules\n"
        "assert dict(os.environ) == before\n"
    )


def test_compiled_code_is_kept_on_disk(tmp_path):
    code = (
        "import numpy, tinynet_kernels as tk\n"
        "tk.optimizer.adagrad(*numpy.ones((3, 8)), 0.1, 1e-8, 0)\n"
        "from tinynet_kernels.optimizer.cpu import _adagrad\n"
        "print(sum(_adagrad.stats.cache_hits.values()))\n"
    )
    assert run_python(code, NUMBA_CACHE_DIR=str(tmp_path)).strip() == "0"
    assert any(path.suffix == ".nbc" for path in Path(tmp_path).rglob("*"))
    assert run_python(code, NUMBA_CACHE_DIR=str(tmp_path)).strip() == "1"


def _everything():
    """The result of every kernel that sums over something which threads could share."""
    random = np.random.default_rng(0)
    x = random.standard_normal((5, 19, 17, 6), dtype=np.float32)
    dense = random.standard_normal((3, 3, 6, 8), dtype=np.float32)
    depthwise = random.standard_normal((3, 3, 1, 12), dtype=np.float32)
    window = ((2, 1), ((1, 1), (0, 2)), (1, 1))
    results = []
    for weight, groups in ((dense, 1), (dense[:, :, :3], 2), (depthwise, 6), (dense[:, 1:2], 1)):
        y = conv.forward(x, weight, *window, groups)
        results += [
            y,
            conv.input_gradient(y, weight, (19, 17), *window, groups),
            conv.weight_gradient(x, y, weight.shape[:2], *window, groups),
        ]
    wide = random.standard_normal((3, 14, 14, 40), dtype=np.float32)
    for kernel in ((3, 3), (5, 5), (1, 1)):
        weight = random.standard_normal((*kernel, 40, 70), dtype=np.float32)
        same = ((1, 1), tuple((k // 2, k // 2) for k in kernel), (1, 1), 1)
        y = conv.forward(wide, weight, *same)
        results += [
            y,
            conv.input_gradient(y, weight, (14, 14), *same),
            conv.weight_gradient(wide, y, kernel, *same),
            matmul.product(y.reshape(-1, 70), y.reshape(-1, 70), transpose_a=True),
        ]
    y, indices = pool.max_forward(x, (3, 3), *window)
    results += [y, pool.max_backward(y, indices, (19, 17), (3, 3), *window)]
    results += [pool.max_gather(x, indices, (3, 3), *window)]
    y = pool.average_forward(x, (3, 3), *window[:2], False)
    results += [y, pool.average_backward(y, (19, 17), (3, 3), *window[:2], False)]
    rows = np.repeat(x.reshape(-1, 6), 40, axis=0)
    c = rows[0]
    _, mean, _, inverse_std = statistics = norm.batch_forward(rows, c, c, 1e-5)
    results += [*statistics, *norm.batch_backward(np.square(rows), rows, c, mean, inverse_std)]
    losses, log_normalizer = softmax.cross_entropy_forward(rows, np.zeros(len(rows), int), None, None, 0.1)
    results += [
        losses,
        softmax.cross_entropy_backward(losses, rows, log_normalizer, np.zeros(len(rows), int), c, None, 0.1),
    ]
    results += [sampling.resize(rows, 0, 7000, "linear"), sampling.resize_backward(rows, 0, 1000, "linear")]
    u = random.standard_normal((40, 70, 4), dtype=np.float32)
    votes = random.standard_normal((70, 5, 4, 9), dtype=np.float32)
    y, sums = routing.route(u, votes, 3)
    results += [sums, *routing.route_backward(y, u, votes, sums, True)]
    sequences, labels = random.standard_normal((7, 40, 9), dtype=np.float32), random.integers(1, 9, (7, 12))
    lengths = random.integers(12, 41, 7), random.integers(0, 13, 7)
    results += ctc.losses_and_gradient(sequences, labels, *lengths, 0, True, sequences[:, 0, 0])
    results += _recurrent(random)
    flat = np.square(random.standard_normal((4, 10_007), dtype=np.float32))
    optimizer.adam(*flat, 3, 0.1, 0.9, 0.99, 1e-8, 0.1, False)
    return [*results, flat]


def _recurrent(random):
    state, weight = (
        random.standard_normal((1, 40, 24), dtype=np.float32),
        np.ones((1, 24, 96), np.float32) / 24,
    )
    p, lengths = random.standard_normal((40, 5, 1, 96), dtype=np.float32), random.integers(0, 6, 40)
    y, *ends, gates, cells = recurrent.lstm_forward(p, weight, state, state, lengths)
    kept = y, gates, cells, weight, state, state, lengths
    return [y, *ends, *recurrent.lstm_backward(y, state, state, *kept)]


def test_results_do_not_depend_on_the_number_of_threads():
    numba = pytest.importorskip("numba")
    before = numba.get_num_threads()
    if before == 1:
        pytest.skip("there is only one thread here")
    with pinned("cpu"):
        try:
            numba.set_num_threads(1)
            alone = _everything()
        finally:
            numba.set_num_threads(before)
        together = _everything()
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


def test_read_only_inputs_are_welcome(same):
    x = np.random.default_rng(0).standard_normal((4, 4))
    x.flags.writeable = False
    with pinned("cpu"):
        found = softmax.log_softmax(x)
    with pinned("reference"):
        same(found, softmax.log_softmax(x))


def test_compilation_is_announced_in_the_first_run_only(tmp_path):
    code = (
        "import numpy, tinynet_kernels as tk\n"
        "from tinynet_kernels.notices import watched_compilation\n"
        "names = []\n"
        "with watched_compilation(names.append):\n"
        "    tk.optimizer.adagrad(*numpy.ones((3, 8)), 0.1, 1e-8, 0)\n"
        "print(names)\n"
    )
    assert run_python(code, NUMBA_CACHE_DIR=str(tmp_path)).strip() == "['_adagrad']"
    assert run_python(code, NUMBA_CACHE_DIR=str(tmp_path)).strip() == "[]"
