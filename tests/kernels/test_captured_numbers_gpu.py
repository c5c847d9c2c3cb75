"""Numbers of the host that captured launches read from device memory, and what is repeated before replays."""

import numpy as np
import pytest

from tinynet_kernels import dropout, optimizer
from tinynet_kernels.cuda.capturing import (
    CaptureError,
    Recording,
    is_capturing,
    is_repeating,
    repeated,
    step_numbers,
)


def test_outside_of_a_capture_nothing_happens(gpu):
    numbers = (1.0, 2.0)
    assert step_numbers("float32", numbers) is numbers
    assert repeated(lambda: "result") == "result"
    assert not is_capturing()
    assert not is_repeating()


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint32", "uint64"])
@pytest.mark.parametrize("counts", [(1,), (3, 1, 2), (15, 17), (60,) * 3], ids=str)
def test_numbers_are_where_they_were_asked_for(dtype, counts, gpu):
    offset, arrays = [0], []

    def ask():
        arrays[:] = [step_numbers(dtype, [*range(offset[0], offset[0] + n)]) for n in counts]

    with gpu.pinned():
        recording = Recording()
        with recording.active():
            repeated(ask)
        first = list(arrays)
        recording.renew()
        for step in range(3):
            for array, count in zip(first, counts, strict=True):
                assert array.dtype == dtype
                np.testing.assert_array_equal(gpu.get(array), np.arange(offset[0], offset[0] + count))
            offset[0] = 1000 * (step + 1)
            recording.renew()
        assert all(now is then for now, then in zip(arrays, first, strict=True))


def test_numbers_are_written_by_few_launches_and_always(gpu):
    if not hasattr(gpu, "emulator"):
        pytest.skip("launches are counted by the emulation")
    with gpu.pinned():
        recording = Recording()
        with recording.active():
            repeated(lambda: step_numbers("float64", range(12)))

        def launches_of_renewal():
            before = gpu.emulator.launches
            recording.renew()
            return gpu.emulator.launches - before

        assert launches_of_renewal() == 2
        assert launches_of_renewal() == 2


def test_there_is_room_for_many_numbers_but_not_for_any(gpu):
    with gpu.pinned():
        recording = Recording()
        with recording.active(), pytest.raises(CaptureError, match="has room for 32768 bytes"):
            repeated(lambda: [step_numbers("float64", range(1000)) for _ in range(5)])


def test_numbers_that_nobody_would_renew_are_refused(gpu):
    with gpu.pinned():
        recording = Recording()
        with recording.active(), pytest.raises(CaptureError, match="not by way of tinynet's"):
            step_numbers("float32", (1.0,))


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (lambda: (step_numbers("float32", (1, 2)), step_numbers("float32", (3, 4))), "needs other numbers"),
        (lambda: step_numbers("float64", (1, 2)), "needs other numbers"),
        (lambda: None, "launches less"),
    ],
    ids=["more", "other", "none"],
)
def test_numbers_that_are_others_than_in_the_capture_are_refused(later, message, gpu):
    ask = [lambda: step_numbers("float32", (1, 2))]
    with gpu.pinned():
        recording = Recording()
        with recording.active():
            repeated(lambda: ask[0]())
        recording.renew()
        ask[0] = later
        with pytest.raises(CaptureError, match=message):
            recording.renew()


def test_launches_of_what_is_repeated_are_made_once(gpu):
    parameters, gradients = gpu.put(np.ones(5)), gpu.put(np.ones(5))
    state, rate = gpu.put(np.zeros(5)), [0.5]

    def move():
        optimizer.adagrad(parameters, gradients, state, rate[0], 1e-8, 0.0)

    with gpu.pinned():
        recording = Recording()
        with recording.active():
            repeated(move)
        after = gpu.get(parameters).copy()
        rate[0] = 0.25
        recording.renew()
        recording.renew()
    np.testing.assert_array_equal(gpu.get(parameters), after)


def test_an_optimisers_kernel_reads_the_numbers_of_the_device(gpu):
    """Here the launch of the capture runs, after its numbers were written: they count, not its arguments."""
    parameters, gradients = gpu.put(np.zeros(5)), gpu.put(np.ones(5))
    rate = [0.5]

    def move():
        optimizer.sgd(parameters, gradients, None, rate[0], 0.0, 0.0, False, 0.0, True)

    with gpu.pinned():
        recording = Recording()
        with recording.active():
            repeated(move)  # the numbers aren't there yet
        parameters.fill(0)
        recording.renew()
        with recording.active():
            recording._slots.start_again()
            rate[0] = 99.0
            repeated(move)
    np.testing.assert_array_equal(gpu.get(parameters), np.full(5, -0.5))


def test_dropout_takes_its_key_from_the_device(gpu):
    x, key = np.ones(1000, np.float32), (2**32 - 1, 12345)
    with gpu.pinned():
        expected = gpu.get(dropout.forward(gpu.put(x), key, 0.5)[1])
        found = dropout.forward(gpu.put(x), gpu.put(np.array(key, np.uint32)), 0.5)[1]
        drawn = dropout.keep_mask(gpu.put(x), x.shape, gpu.put(np.array(key, np.uint32)), 0.5)
    np.testing.assert_array_equal(gpu.get(found), expected)
    np.testing.assert_array_equal(gpu.get(drawn), expected)
