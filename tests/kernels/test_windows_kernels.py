"""The geometry that convolution and pooling share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels.windows import output_size, window_counts


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    size=st.integers(1, 12),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 4),
    before=st.integers(0, 3),
    after=st.integers(0, 3),
    dilation=st.integers(1, 3),
)
def test_output_size_counts_the_windows_that_fit(size, kernel, stride, before, after, dilation):
    extent = dilation * (kernel - 1) + 1
    starts = range(-before, size + after - extent + 1, stride)
    arguments = ((size,), (kernel,), (stride,), ((before, after),), (dilation,))
    if not starts:
        with pytest.raises(ValueError, match="spatial axis 0"):
            output_size(*arguments)
        return
    assert output_size(*arguments) == (len(starts),)
    if dilation == 1:
        inside = [len(set(range(size)) & set(range(start, start + kernel))) for start in starts]
        counts = window_counts((size,), (kernel,), (stride,), ((before, after),), False)
        np.testing.assert_array_equal(counts, np.maximum(inside, 1))


def test_output_size_names_the_axis_that_is_too_small():
    with pytest.raises(ValueError) as error:
        output_size((8, 3), (3, 3), (1, 1), ((0, 0), (0, 1)), (1, 2))
    assert str(error.value) == (
        "output_size: the window covers 5 (kernel 3, dilation 2) but spatial axis 1 has only 4 "
        "(size 3, padding (0, 1))"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ((8,), (0,), (1,), ((0, 0),), (1,)),
        ((8,), (3,), (0,), ((0, 0),), (1,)),
        ((8,), (3,), (1,), ((-1, 0),), (1,)),
        ((8,), (3,), (1,), ((0, 0),), (0,)),
    ],
)
def test_output_size_rejects_numbers_out_of_their_domain(arguments):
    with pytest.raises(ValueError, match="spatial axis 0 has size 8"):
        output_size(*arguments)


def test_output_size_rejects_a_mixture_of_dimensions():
    with pytest.raises(ValueError, match="have 2, 2, 1, 2, 2"):
        output_size((8, 8), (3, 3), (1,), ((0, 0), (0, 0)), (1, 1))
