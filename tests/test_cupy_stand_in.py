"""The stand-in for CuPy promises no more than CuPy holds, and is as strict where NumPy would be lenient."""

import inspect
import re
import sys

import numpy as np
import pytest

import cupy_stand_in
from cupy_stand_in import module, ndarray, streams, watched_synchronisations

OWN = {  # of the stand-in, for itself and for its tests
    "ndarray": set(),
    "Stream": {"append", "run"},
    "Event": {"pending", "is_recorded", "run", "take_place"},
    "Device": set(),
    "Generator": set(),
    "MemoryPool": set(),
}


@pytest.fixture(scope="module")
def cupy():
    return pytest.importorskip("cupy", reason="comparing the stand-in with CuPy needs cupy")


@pytest.fixture
def xp():
    with cupy_stand_in.installed() as stand_in:
        yield stand_in


def parameters_of(function):
    """The names of a function's parameters, or None if CuPy tells nobody."""
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        first_line = (function.__doc__ or "").strip().split("\n")[0]
        return set(re.findall(r"(\w+)\s*(?:=[^,)]*)?[,)]", first_line)) or None


def surplus(own, real, allowed):
    """What a class of the stand-in has, or takes, and CuPy's hasn't."""
    found = []
    for name, member in vars(own).items():
        if name.startswith("_") or name in allowed:
            continue
        if not hasattr(real, name):
            found.append(name)
        elif inspect.isfunction(member):
            known = parameters_of(getattr(real, name))
            named = {
                p.name
                for p in inspect.signature(member).parameters.values()
                if p.name != "self" and p.kind is p.POSITIONAL_OR_KEYWORD
            }
            found += [f"{name}({parameter})" for parameter in named if known and parameter not in known]
    return found


def test_cupy_has_all_that_the_stand_in_has(cupy):
    pairs = {
        "ndarray": (ndarray, cupy.ndarray),
        "Stream": (streams.Stream, cupy.cuda.Stream),
        "Event": (streams.Event, cupy.cuda.Event),
        "Device": (streams.Device, cupy.cuda.Device),
        "Generator": (module._Generator, cupy.random.Generator),
        "MemoryPool": (module._MemoryPool, cupy.cuda.MemoryPool),
    }
    assert pairs.keys() == OWN.keys()
    assert {name: surplus(*pair, OWN[name]) for name, pair in pairs.items()} == {key: [] for key in pairs}
    for name in ("alloc_pinned_memory", "get_current_stream", "runtime", "Stream", "Event", "Device"):
        assert hasattr(cupy.cuda, name)
    assert cupy.ndarray.__module__ == ndarray.__module__
    assert cupy.ndarray.__array_priority__ == ndarray.__array_priority__


def test_it_is_there_while_it_is_installed_only(xp):
    assert sys.modules["cupy"] is xp
    assert xp.__name__ == "cupy"
    with cupy_stand_in.installed():
        pass
    assert sys.modules["cupy"] is xp


@pytest.mark.parametrize(
    "mixes",
    [
        lambda xp, x, a: xp.add(x, a),
        lambda xp, x, a: x + a,
        lambda xp, x, a: a + x,
        lambda xp, x, a: xp.concatenate([x, a]),
        lambda xp, x, a: xp.where(x > 0, x, a),
        lambda xp, x, a: x.__iadd__(a),
        lambda xp, x, a: a.__iadd__(x),
        lambda xp, x, a: np.asarray(x),
        lambda xp, x, a: x.__setitem__(..., a),
        lambda xp, x, a: x.fill(a),
        lambda xp, x, a: np.array([1.0]) * x,
    ],
)
def test_arrays_of_both_kinds_do_not_mix(mixes, xp):
    x, a = xp.ones(3), np.ones(3)
    with pytest.raises((TypeError, ValueError)):
        mixes(xp, x, a)
    assert x.get().tolist() == [1, 1, 1]


def test_numbers_mix_and_single_elements_stay_arrays(xp):
    x = xp.arange(6, dtype=np.float32).reshape(2, 3)
    for value in (x.sum(), x[0, 1], x.max(), 2 * x[0, 0], np.float32(2) * x[1, 1], xp.abs(-x[0, 2]) + 1.5):
        assert isinstance(value, ndarray)
        assert (value.shape, value.dtype) == ((), np.float32)
    assert isinstance(np.exp(x), ndarray)
    assert isinstance(np.concatenate([x, x]), ndarray)
    np.testing.assert_array_equal((x[:, 1] @ x).get(), [12, 17, 22])


def test_views_share_memory_and_know_their_owner(xp):
    x = xp.zeros((2, 3))
    view = x[1].reshape(3)[1:]
    view += 4
    assert view.base is x
    assert x.base is None
    assert x.copy().base is None
    assert x.get().tolist() == [[0, 0, 0], [0, 4, 4]]


@pytest.mark.parametrize(
    ("what", "waits"),
    [
        (lambda xp, x: x.get(), ["get"]),
        (lambda xp, x: float(x[0]), ["float"]),
        (lambda xp, x: bool((x > 0).any()), ["bool"]),
        (lambda xp, x: x.sum().item(), ["item"]),
        (lambda xp, x: x.tolist(), ["tolist"]),
        (lambda xp, x: x[x > 1], ["indexing with a mask"]),
        (lambda xp, x: xp.nonzero(x), ["nonzero"]),
        (lambda xp, x: f"{x[0]:.2f}", ["format"]),
        (lambda xp, x: [xp.exp(x), x * 2, x.sum(), x.shape, len(x), xp.where(x > 0, x, 0), x[0]], []),
        (lambda xp, x: xp.asarray(np.ones(3)) + x, []),
    ],
)
def test_waits_are_noted_with_their_place(what, waits, xp):
    x = xp.arange(3)
    with watched_synchronisations() as found:
        what(xp, x)
    assert [wait.what for wait in found] == waits
    assert all(wait.place.startswith("tests/test_cupy_stand_in.py:") for wait in found)


def test_copies_on_a_stream_happen_when_they_are_waited_for(xp):
    stream = xp.cuda.Stream(non_blocking=True)
    x, number = xp.zeros(2), np.array([1.0, 2.0])
    x.set(number, stream=stream)
    done = stream.record()
    assert x.get().tolist() == [0, 0]
    assert not done.done
    number[0] = 5.0
    xp.cuda.get_current_stream().wait_event(done)
    assert x.get().tolist() == [5, 2]
    assert done.done


def test_indices_beyond_the_end_begin_again(xp):
    x = xp.arange(12).reshape(3, 4)
    index = xp.asarray([0, 5, -1])
    assert x[:, index].get().tolist() == [[0, 1, 3], [4, 5, 7], [8, 9, 11]]
    assert x[..., index].get().tolist() == x[:, index].get().tolist()
    assert x[index].get().tolist() == x[[0, 2, 2]].get().tolist()
    with pytest.raises(IndexError):
        x[7]
