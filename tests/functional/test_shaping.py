"""Views, orders of axes, cutting and joining: special cases and messages."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet.errors import ArgumentError, DTypeError, ShapeError


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.reshape(2, 6),
        lambda x: x.T,
        lambda x: x.flip(),
        lambda x: x.broadcast_to(2, 3, 4),
        lambda x: x.split(2, axis=1)[1],
        lambda x: x.unbind()[0],
        lambda x: x[1:, ::2],
    ],
)
def test_views_share_memory(function):
    x = tn.Tensor(np.arange(12.0).reshape(3, 4))
    assert np.shares_memory(function(x).data, x.data)


def test_shapes_are_given_as_sizes_or_as_a_sequence():
    x = tn.Tensor(np.arange(12.0))
    assert x.reshape(3, -1).shape == x.reshape([3, -1]).shape == x.reshape(np.array([3, 4])).shape == (3, 4)
    assert x.reshape(-1).shape == (12,)
    assert F.reshape(np.ones(1), ()).shape == ()
    assert F.reshape(np.ones(1)).shape == ()
    assert x.broadcast_to(2, 12).shape == x.broadcast_to((2, 12)).shape


def message_of(function, *arguments, **options):
    with pytest.raises(ShapeError) as caught:
        function(*arguments, **options)
    return str(caught.value)


def test_messages_about_shapes():
    x = np.ones((2, 3))
    assert message_of(F.reshape, x, (4, 2)) == (
        "reshape: x of shape (2, 3) has 6 elements, which do not fill shape (4, 2)"
    )
    assert message_of(F.squeeze, x, 1) == "squeeze: axis 1 of x (shape (2, 3)) has 3 elements, not 1"
    assert message_of(F.permute, np.ones((2, 3, 4)), 0, 1) == (
        "permute: axes (0, 1) must name each of the 3 axes of x (shape (2, 3, 4)) once; "
        "swapaxes exchanges two"
    )
    assert message_of(F.broadcast_to, x, (3, 3)) == (
        "broadcast_to: shapes (2, 3) and (3, 3) do not broadcast: axis −2 has 2 against 3 elements"
    )
    assert message_of(F.broadcast_to, x, (3,)) == (
        "broadcast_to: x of shape (2, 3) does not broadcast to shape (3,)"
    )
    assert message_of(F.tril, np.ones(3)) == "tril: x must have at least two axes, not shape (3,)"


def test_messages_about_joining():
    assert message_of(F.concatenate, [np.ones((2, 3)), np.ones((2, 4))]) == (
        "concatenate: tensor 1 has 4 elements along axis 1 (shape (2, 4)) but tensor 0 has 3 (shape (2, 3)); "
        "only axis 0 may differ"
    )
    assert message_of(F.concatenate, [np.ones((2, 3)), np.ones(3)]) == (
        "concatenate: tensor 1 has 1 axes (shape (3,)) but tensor 0 has 2 (shape (2, 3))"
    )
    assert message_of(F.stack, [np.ones(2), np.ones(3)]) == (
        "stack: tensor 1 has shape (3,) but tensor 0 has (2,)"
    )
    with pytest.raises(ArgumentError, match=r"^stack: at least one tensor is needed$"):
        F.stack([])


def test_messages_about_cutting():
    assert message_of(F.split, np.ones((2, 5)), 2, axis=1) == (
        "split: axis 1 of x (shape (2, 5)) has 5 elements, which do not divide into 2 equal parts"
    )
    assert message_of(F.split, np.ones(5), [3, 1]) == (
        "split: places [3, 1] must rise from 0 to 5, the size of axis 0 of x (shape (5,))"
    )
    with pytest.raises(ArgumentError, match=r"^chunk: chunks must be at least 1, not 0$"):
        F.chunk(np.ones(3), 0)


def test_messages_about_padding():
    assert message_of(F.pad, np.ones((2, 3)), ((1, 1),) * 3) == (
        "pad: 3 pairs of widths for the 2 axes of x (shape (2, 3))"
    )
    assert message_of(F.pad, np.ones((2, 3)), 2, mode="reflect") == (
        "pad: mode 'reflect' cannot add (2, 2) to the 2 elements of axis 0"
    )
    assert message_of(F.pad, np.ones((0, 3)), 1, mode="edge") == (
        "pad: mode 'edge' cannot add (1, 1) to the 0 elements of axis 0"
    )
    with pytest.raises(ArgumentError, match=r"^pad: widths must not be negative: -1$"):
        F.pad(np.ones(3), -1)
    with pytest.raises(
        ArgumentError, match=r"^pad: mode must be 'constant', 'edge' or 'reflect', not 'wrap'$"
    ):
        F.pad(np.ones(3), 1, mode="wrap")


def test_joined_dtypes():
    assert F.concatenate([np.ones(2, np.float32), np.ones(2)]).dtype == np.float64
    assert F.stack([np.ones(2, np.float32), np.ones(2, int)]).dtype == np.float32
    x = tn.tensor([1.0], requires_grad=True)
    F.concatenate([x, np.ones(2)]).sum().backward()
    assert x.grad.dtype == np.float32


def test_a_part_that_nobody_used_has_gradient_zero():
    x = tn.tensor(np.ones((2, 6)), requires_grad=True)
    x.split(3, axis=1)[1].sum().backward()
    assert x.grad.tolist() == [[0, 0, 1, 1, 0, 0]] * 2


def test_unbinding_nothing():
    assert F.unbind(np.ones((0, 3))) == ()


def test_triangles_drop_infinities():
    matrix = np.full((2, 2), np.inf)
    assert F.tril(matrix).tolist() == [[np.inf, 0], [np.inf, np.inf]]


def test_one_hot():
    assert F.one_hot([1, 0], 3).dtype == np.float32
    assert F.one_hot([1, 0], 3, dtype=np.int64).tolist() == [[0, 1, 0], [1, 0, 0]]
    with pytest.raises(ArgumentError, match=r"^one_hot: labels reach from 0 to 3, outside 0 … 2$"):
        F.one_hot([0, 3], 3)
    with pytest.raises(DTypeError, match=r"^one_hot: labels must be integers, not float32$"):
        F.one_hot([0.0, 1.0], 3)
