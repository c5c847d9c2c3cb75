"""Memory that is used again: arrays behave as any, and no two that are alive share a byte."""

import copy
import os
import pickle
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import memory

LARGE = (64, 1024)  # 256 KiB in float32


@pytest.fixture(autouse=True)
def empty_pool():
    memory.release()
    memory.reset_peak()


def address(array):
    return array.__array_interface__["data"][0]


def in_child(script):
    """Runs a script in a new interpreter and returns what it printed."""
    command = [sys.executable, "-W", "error", "-c", script]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)


class TestReuse:
    def test_the_memory_of_a_dead_array_serves_the_next(self):
        first = memory.empty(LARGE)
        where = address(first)
        del first
        assert address(memory.empty(LARGE)) == where

    def test_sizes_that_are_almost_equal_share_a_class(self):
        where = address(memory.empty((1000, 100)))
        assert address(memory.empty((100, 1001))) == where

    def test_a_larger_block_serves_up_to_four_times_the_size(self):
        where = address(memory.empty((1000, 200)))
        array = memory.empty((1000, 60))
        assert address(array) == where
        del array
        assert address(memory.empty((1000, 45))) != where

    def test_the_smallest_block_that_is_large_enough_serves(self):
        arrays = [memory.empty((1000, columns)) for columns in (190, 150, 170)]
        expected = address(arrays[1])
        del arrays
        assert address(memory.empty((1000, 110))) == expected

    def test_no_memory_is_taken_in_the_steady_state(self):
        def step():
            return [memory.empty((size, 1024)) for size in (64, 100, 64, 300)]

        step()
        before = memory.statistics().fresh
        for _ in range(5):
            step()
        assert memory.statistics().fresh == before

    @pytest.mark.parametrize(
        "view",
        [
            lambda array: array[1:],
            lambda array: array[1:][1:].T,
            lambda array: array.view(np.int32),
            lambda array: memoryview(array),
            lambda array: np.frombuffer(array, np.uint8),
            lambda array: array.reshape(-1),
        ],
    )
    def test_a_view_keeps_the_memory(self, view):
        array = memory.zeros(LARGE)
        kept = view(array)
        del array
        others = [memory.empty(LARGE) for _ in range(2)]
        for other in others:
            other.fill(7)
        assert not np.asarray(kept).any()

    def test_the_smallest_size(self):
        memory.empty(memory.SMALLEST, np.uint8)
        assert memory.statistics().idle == memory.SMALLEST
        memory.empty(memory.SMALLEST - 1, np.uint8)
        assert memory.statistics().idle == memory.SMALLEST

    @given(st.lists(st.integers(1, 300), min_size=1, max_size=30), st.randoms())
    @settings(deadline=None, max_examples=30)
    def test_living_arrays_do_not_overlap(self, sizes, random):
        alive = {}
        for number, size in enumerate(sizes):
            array = memory.empty((size, 1024))
            array.fill(number)
            alive[number] = array
            if random.random() < 0.4:
                alive.pop(random.choice(list(alive)))
            for mark, other in alive.items():
                assert (other == mark).all()


class TestArrays:
    @pytest.mark.parametrize("dtype", [np.float32, "f8", np.dtype(np.int16), bool, np.complex64])
    @pytest.mark.parametrize(
        "shape", [(300, 700), (2, 300, 400), 300_000, [400, 600], (0, 5), (3,), (), (np.int64(300), 700)]
    )
    def test_what_is_made(self, shape, dtype):
        array, usual = memory.empty(shape, dtype), np.empty(shape, dtype)
        assert type(array) is np.ndarray
        assert (array.shape, array.dtype, array.strides) == (usual.shape, usual.dtype, usual.strides)
        assert array.flags.writeable
        assert array.flags.c_contiguous
        assert array.flags.aligned

    def test_large_arrays_begin_at_a_page(self):
        arrays = [memory.empty((size, 1001)) for size in (20, 64, 65, 1000)]
        assert [address(array) % 4096 for array in arrays] == [0, 0, 0, 0]

    def test_zeros(self):
        memory.empty(LARGE).fill(3)
        array = memory.zeros(LARGE)
        assert not array.any()

    def test_a_size_class_wastes_at_most_an_eighth(self):
        for size in range(memory.SMALLEST, 40 * memory.SMALLEST, 1009):
            memory.release()
            memory.empty(size, np.uint8)
            assert size <= memory.statistics().idle <= size * 9 / 8

    def test_copies_and_pickles_are_independent(self):
        array = memory.zeros(LARGE)
        twins = [array.copy(), copy.deepcopy(array), pickle.loads(pickle.dumps(array))]
        array.fill(1)
        assert not any(twin.any() for twin in twins)

    def test_objects_are_left_to_numpy(self):
        assert memory.empty((64, 1024), object).base is None

    def test_errors_are_those_of_numpy(self):
        with pytest.raises(ValueError, match="negative"):
            memory.empty((-1, 100_000))
        with pytest.raises(TypeError):
            memory.empty((1.5, 100_000))

    def test_weak_references(self):
        array = memory.empty(LARGE)
        reference = weakref.ref(array)
        del array
        assert reference() is None


class TestCalculate:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize(
        "shapes",
        [
            [(200, 300), (200, 300)],
            [(200, 300), (300,)],
            [(200, 1, 300), (2, 300)],
            [(1, 100_000), (3, 1)],
            [(200, 300), ()],
            [(3,), (3,)],
            [(3,), (50_000, 3)],
        ],
    )
    def test_what_the_ufunc_gives(self, shapes, dtype, rng):
        x, y = (np.asarray(rng.standard_normal(shape), dtype) for shape in shapes)
        result, expected = memory.calculate(np.multiply, x, y), x * y
        assert result.dtype == expected.dtype
        assert result.strides == expected.strides
        np.testing.assert_array_equal(result, expected)

    def test_large_results_come_from_the_pool(self, rng):
        x = np.ones(LARGE, np.float32)
        before = memory.statistics().in_use
        result = memory.calculate(np.exp, x)
        assert memory.statistics().in_use == before + x.nbytes
        assert (result == np.exp(x)).all()

    @pytest.mark.parametrize(
        "arrays",
        [
            (np.ones((300, 200)).T, np.ones((300, 200)).T),
            (np.ones((200, 300), np.float32), np.ones((200, 300))),
            (np.ones((200, 300), np.int64), np.ones((200, 300), np.int64)),
            (np.ma.masked_array(np.ones((200, 300)), False), np.ones((200, 300))),
        ],
        ids=["transposed", "two dtypes", "integers", "subclass"],
    )
    def test_others_are_left_to_the_ufunc(self, arrays):
        result, expected = memory.calculate(np.add, *arrays), np.add(*arrays)
        assert type(result) is type(expected)
        assert (result.dtype, result.strides) == (expected.dtype, expected.strides)
        np.testing.assert_array_equal(result, expected)

    def test_shapes_that_do_not_fit(self):
        with pytest.raises(ValueError, match="broadcast"):
            memory.calculate(np.add, np.ones((200, 300)), np.ones((200, 299)))


class TestStatistics:
    def test_what_is_counted(self):
        start = memory.statistics()
        first, second = memory.empty(LARGE), memory.empty(LARGE)
        size = first.nbytes
        assert memory.statistics() == (start.in_use + 2 * size, 0, start.in_use + 2 * size, start.fresh + 2)
        del first, second
        assert memory.statistics() == (start.in_use, 2 * size, start.in_use + 2 * size, start.fresh + 2)
        memory.reset_peak()
        assert memory.statistics().peak_in_use == start.in_use
        memory.release()
        assert memory.statistics().idle == 0

    def test_release_leaves_living_arrays_alone(self):
        array = memory.zeros(LARGE)
        memory.release()
        memory.empty(LARGE).fill(5)
        assert not array.any()

    def test_what_nobody_wants_any_more_is_freed(self):
        memory.empty((1000, 1000))
        for _ in range(5000):
            memory.empty(LARGE)
        assert memory.statistics().idle == memory.empty(LARGE).nbytes


class TestProcess:
    def test_threads(self):
        problems = []

        def work(mark):
            for turn in range(200):
                arrays = [memory.empty((64 + turn % 3, 1024)) for _ in range(3)]
                for array in arrays:
                    array.fill(mark)
                if not all((array == mark).all() for array in arrays):
                    problems.append(mark)

        threads = [threading.Thread(target=work, args=(mark,)) for mark in range(4)]
        before = memory.statistics().in_use
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems
        assert memory.statistics().in_use == before

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_a_forked_child_can_go_on(self):
        done = in_child(
            "import os, threading\n"
            "from tinynet_kernels import memory\n"
            "array = memory.zeros((64, 1024))\n"
            "other = threading.Thread(target=memory._pool.lock.acquire)\n"
            "other.start()\n"
            "other.join()\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    array += 1\n"
            "    del array\n"
            "    memory.empty((64, 1024)).fill(9)\n"
            "    os._exit(0)\n"
            "_, status = os.waitpid(child, 0)\n"
            "print(status, array.any())\n"
        )
        assert done.stdout == "0 False\n"

    def test_arrays_that_outlive_the_module(self):
        done = in_child(
            "import sys\n"
            "from tinynet_kernels import memory\n"
            "sys.kept = memory.zeros((64, 1024))[1:]\n"
            "holder = [memory.zeros((64, 1024))]\n"
            "holder.append(holder)\n"
        )
        assert done.stderr == ""

    def test_import_starts_nothing(self):
        done = in_child(
            "import sys\n"
            "from tinynet_kernels import memory\n"
            "print(memory.statistics())\n"
            "print('numba' in sys.modules)\n"
        )
        assert done.stdout == "Statistics(in_use=0, idle=0, peak_in_use=0, fresh=0)\nFalse\n"
