"""Batches on their way to a GPU: what arrives is what was sent, and everything waits for what it must."""

import numpy as np
import pytest

import tinynet as tn
from cupy_stand_in import streams, watched_synchronisations
from tinynet.training.uploads import Uploads


@pytest.fixture
def uploads(cuda_stand_in):
    streams.calls.clear()
    return Uploads(tn.device("cuda"))


def batches(rng, count=5):
    return [
        [
            rng.random((4 + number, 3), dtype=np.float32),
            rng.integers(10, size=4 + number),
            rng.random(2) > 0.5,
        ]
        for number in range(count)
    ]


def on_host(arrays):
    return [array.get() for array in arrays]


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_what_arrives_is_what_was_sent(cuda, rng):
    uploads = Uploads(cuda)
    sent = batches(rng)
    arrived = [uploads(arrays) for arrays in sent]
    for found, expected in zip(arrived, sent, strict=True):  # later batches leave the earlier ones alone
        assert_equal(on_host(found), expected)


def test_strided_empty_and_single_arrays(cuda, rng):
    uploads = Uploads(tn.device("cuda"))
    wide = rng.random((6, 8))
    sent = [wide[::2, ::3], wide.T, np.zeros((0, 3), np.float32), np.array(2.5), np.arange(3, dtype=np.uint8)]
    assert_equal(on_host(uploads(sent)), sent)
    nothing = [np.zeros((0, 3), np.float32)]
    assert_equal(on_host(uploads(nothing)), nothing)
    assert uploads([]) == []


def test_bytes_in_the_other_order(cuda):
    """As they come out of files of other machines."""
    uploads = Uploads(cuda)
    numbers = np.arange(5, dtype=np.float32)
    (arrived,) = uploads([numbers.astype(numbers.dtype.newbyteorder("S"))])
    assert_equal([arrived.get()], [numbers])


def test_arrays_may_be_changed_as_soon_as_they_are_sent(cuda, rng):
    uploads = Uploads(tn.device("cuda"))
    array = rng.random(1000)
    before = array.copy()
    (arrived,) = uploads([array])
    array[...] = 0
    np.testing.assert_array_equal(arrived.get(), before)


def test_what_waits_for_what(uploads, rng):
    """Of every batch: its copy waits until the slot's last batch was taken out, the kernels for the copy."""
    for arrays in batches(rng, 4):
        uploads([arrays[0][:4]])
    calls, copies = list(streams.calls), uploads._stream
    kernels = streams.Stream.null
    first, second = (events_of_slot(calls, copies, slot) for slot in range(2))
    assert not set(first) & set(second)
    expected = []
    for number in range(4):
        copied, taken_out = (first, second)[number % 2]
        expected += [("synchronize", copied)]
        expected += [("record", kernels, taken_out)] if number < 2 else []  # its memory was new
        expected += [
            ("wait", copies, taken_out),
            ("copy", copies),
            ("record", copies, copied),
            ("wait", kernels, copied),
            ("record", kernels, taken_out),
        ]
    assert calls == expected


def events_of_slot(calls, copies, slot):
    """The events "copied" and "taken out" of a slot."""
    copied = list(dict.fromkeys(call[-1] for call in calls if call[0] == "synchronize"))
    taken_out = list(dict.fromkeys(call[-1] for call in calls if call[:2] == ("wait", copies)))
    return copied[slot], taken_out[slot]


def test_the_program_waits_for_a_copy_only_when_it_comes_back_to_its_slot(uploads, rng, monkeypatch):
    """Here the kernels never need a batch, so that the copies are not made before somebody waits."""
    monkeypatch.setattr(streams.Stream.null, "wait_event", lambda event: None)
    counts = []
    for _ in range(3):
        with watched_synchronisations() as waits:
            uploads([rng.random(5)])
        counts.append([wait.what for wait in waits])
    assert counts == [[], [], ["Event.synchronize"]]


def test_a_forgotten_event_would_be_noticed(cuda_stand_in, rng, monkeypatch):
    """If the kernels did not wait for the copy, they would read what was there before."""
    uploads = Uploads(tn.device("cuda"))
    array = rng.random(5)
    monkeypatch.setattr(streams.Stream.null, "wait_event", lambda event: None)
    (arrived,) = uploads([array])
    assert not np.array_equal(arrived.get(), array)


def test_pinned_memory_is_not_given_back_while_it_is_copied_from(uploads, rng, monkeypatch):
    monkeypatch.setattr(streams.Stream.null, "wait_event", lambda event: None)
    uploads([rng.random(5)])
    copies = uploads._stream
    assert copies._queue
    del uploads._slots
    assert not copies._queue


def test_a_larger_batch_gets_more_memory(uploads, rng):
    for size in (10, 10_000, 10, 300_000):
        sent = [rng.random(size)]
        assert_equal(on_host(uploads(sent)), sent)


def test_the_trainer_uses_them(cuda_stand_in, rng):
    from tinynet.training.batches import Placement

    model = tn.nn.Linear(3, 2).to("cuda")
    streams.calls.clear()
    pixels, labels = rng.integers(256, size=(4, 3), dtype=np.uint8), rng.integers(2, size=4)
    kept = tn.tensor(rng.random(4), device="cuda")
    names = ["a", "b", "c", "d"]
    x, y, z, same_names = Placement(model)((pixels, labels, kept, names))
    assert [call[0] for call in streams.calls].count("copy") == 1, "both arrays in one copy"
    np.testing.assert_allclose(x.numpy(), pixels / 255, rtol=1e-6)
    np.testing.assert_array_equal(y.numpy(), labels)
    assert z.data is kept.data
    assert same_names is names
