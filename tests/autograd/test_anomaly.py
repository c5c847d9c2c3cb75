"""The first NaN or infinity is found where it is made."""

import threading

import numpy as np
import pytest

from tinynet import Function, Tensor, detect_anomaly
from tinynet.errors import AnomalyError


class Logarithm(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        with np.errstate(all="ignore"):
            return np.log(x)

    def backward(self, gy):
        return gy / self.inputs[0]


class SquareRoot(Function):
    """Finite forward, infinite gradient at zero."""

    __slots__ = ()
    reads_output = True

    def forward(self, x):
        return np.sqrt(x)

    def backward(self, gy):
        return gy * 0.5 / self.output

    def backward_arrays(self, gy):
        with np.errstate(all="ignore"):
            return gy * 0.5 / self.output_data


def leaf(*numbers):
    return Tensor(np.array(numbers, np.float64), requires_grad=True)


def test_forward_names_the_operation():
    with detect_anomaly(), pytest.raises(AnomalyError) as caught:
        Logarithm()(leaf(1.0, -1.0, 2.0) * 2.0) + 1.0
    assert str(caught.value) == (
        "logarithm: the output of forward holds NaN (1 of 3 numbers are not finite, shape (3,))"
    )


def test_infinity_is_told_from_nan():
    with detect_anomaly(), pytest.raises(AnomalyError, match="holds infinity"):
        Logarithm()(leaf(0.0))


def test_constants_are_checked_as_well():
    with detect_anomaly(), pytest.raises(AnomalyError, match="logarithm"):
        Logarithm()(Tensor(np.array([-1.0])))


def test_backward_names_the_operation_and_the_input():
    y = SquareRoot()(leaf(4.0, 0.0)) * 3.0
    with detect_anomaly(), pytest.raises(AnomalyError) as caught:
        y.backward(np.ones(2))
    assert str(caught.value).startswith("square_root: the gradient of input 0 holds infinity (1 of 2")


def test_finite_numbers_pass():
    x = leaf(4.0, 1.0)
    with detect_anomaly():
        SquareRoot()(x).backward(np.ones(2))
    np.testing.assert_array_equal(x.grad.data, [0.25, 0.5])


def test_off_outside_the_block_and_nested():
    with detect_anomaly():
        with detect_anomaly():
            pass
        with pytest.raises(AnomalyError):
            Logarithm()(leaf(-1.0))
    assert np.isnan(Logarithm()(leaf(-1.0)).data).all()


def test_other_threads_are_not_checked():
    results = []
    with detect_anomaly():
        thread = threading.Thread(target=lambda: results.append(Logarithm()(leaf(-1.0)).item()))
        thread.start()
        thread.join()
    assert np.isnan(results).all()
    assert len(results) == 1


def test_integers_and_empty_arrays_pass():
    with detect_anomaly():
        assert (Tensor(np.arange(3)) * 2).dtype == np.int64
        assert Logarithm()(leaf()).shape == (0,)
