"""Recording on and off: nested, as decorators, in threads."""

import threading

import numpy as np
import pytest

from tinynet import Tensor, enable_grad, is_grad_enabled, no_grad


@pytest.fixture
def x():
    return Tensor(np.ones(2), requires_grad=True)


def test_blocks_nest_and_end_with_what_was_before(x):
    assert is_grad_enabled()
    with no_grad():
        assert not (x * 2.0).requires_grad
        with enable_grad():
            assert (x * 2.0).requires_grad
            with no_grad():
                assert not is_grad_enabled()
            assert is_grad_enabled()
        assert not is_grad_enabled()
    assert (x * 2.0).requires_grad


def test_an_error_ends_the_block():
    with pytest.raises(RuntimeError, match="from inside"), no_grad():
        raise RuntimeError("from inside")
    assert is_grad_enabled()


def test_one_object_can_be_entered_again():
    guard = no_grad()
    with guard:
        with guard:
            assert not is_grad_enabled()
        assert not is_grad_enabled()
    assert is_grad_enabled()


def test_as_decorators(x):
    @no_grad()
    def without(factor):
        """Its text."""
        return x * factor

    @enable_grad()
    def with_graph(factor):
        return x * factor

    assert not without(factor=2.0).requires_grad
    assert (without.__name__, without.__doc__) == ("without", "Its text.")
    with no_grad():
        assert with_graph(2.0).requires_grad
        assert not is_grad_enabled()


def test_each_thread_has_its_own(x):
    inside = threading.Event()
    finish = threading.Event()
    seen = []

    def work():
        seen.append(is_grad_enabled())
        with no_grad():
            inside.set()
            finish.wait(timeout=60)
            seen.append((x * 2.0).requires_grad)

    with no_grad():
        thread = threading.Thread(target=work)
        thread.start()
        assert inside.wait(timeout=60)
    assert (x * 2.0).requires_grad
    finish.set()
    thread.join()
    assert seen == [True, False]


def test_new_leaves_can_be_made_without_recording():
    with no_grad():
        leaf = Tensor(np.ones(2), requires_grad=True)
    assert (leaf * 2.0).requires_grad
