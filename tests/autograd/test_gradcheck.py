"""The checker finds what is wrong, says where, and is quiet about what is right."""

import re

import numpy as np
import pytest

import tinynet as tn
from tinynet import Function
from tinynet.errors import ArgumentError, GradientCheckError


class Square(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return x * x

    def backward(self, gy):
        return gy * self.inputs[0] * 2.0


class SquareSlightlyWrong(Square):
    __slots__ = ()

    def backward(self, gy):
        return gy * self.inputs[0] * 2.0001


class SquareWrongInOneElement(Square):
    __slots__ = ()

    def backward(self, gy):
        mask = np.ones(gy.shape)
        mask[1, 2] = 0.5
        return gy * self.inputs[0] * 2.0 * tn.Tensor(mask)


class SquareCutOff(Square):
    """First derivative right, but computed outside the graph."""

    __slots__ = ()

    def backward(self, gy):
        return gy * tn.Tensor(self.inputs[0].data) * 2.0


class SquareWithOtherArrays(Square):
    __slots__ = ()

    def backward_arrays(self, gy):
        return gy * self.input_arrays[0] * 2.0 + 1e-6


class SquareChangingItsGradient(Square):
    __slots__ = ()

    def backward_arrays(self, gy):
        gy *= self.input_arrays[0]
        gy *= 2
        return gy


class SquareChangingItsInput(Square):
    __slots__ = ()

    def forward(self, x):
        output = x * x
        x += 1.0
        return output


class SquareOfWrongShape(Square):
    __slots__ = ()

    def backward(self, gy):
        return (gy * self.inputs[0] * 2.0).reshape(-1)


class SquareOfWrongDtype(Square):
    __slots__ = ()

    def backward_arrays(self, gy):
        return (gy * self.input_arrays[0] * 2).astype(np.float32)


class SquareNotANumber(Square):
    __slots__ = ()

    def backward_arrays(self, gy):
        return gy * np.nan


class SquareOnce(Square):
    """Can be differentiated once only."""

    __slots__ = ()

    def backward(self, gy):
        raise tn.errors.GraphError("square_once: cannot be differentiated twice")

    def backward_arrays(self, gy):
        return gy * self.input_arrays[0] * 2


class AbsoluteValue(Function):
    __slots__ = ()

    def forward(self, x):
        self.kept = np.sign(x)
        return abs(x)

    def backward(self, gy):
        return gy * tn.Tensor(self.kept)


class Single(Function):
    __slots__ = ()

    def forward(self, x):
        return x.astype(np.float32)

    def backward(self, gy):
        return gy


class Sawtooth(Function):
    """Kinks everywhere, closer together than any step."""

    __slots__ = ()

    def forward(self, x):
        return abs(x - np.round(x * 1e7) / 1e7)

    def backward(self, gy):
        return gy


class Logarithm(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return np.log(x)

    def backward(self, gy):
        return gy / self.inputs[0]


def message_of(f, inputs, **options):
    with pytest.raises(GradientCheckError) as caught:
        tn.gradcheck(f, inputs, **options)
    return str(caught.value)


@pytest.fixture
def x(rng):
    return rng.normal(size=(3, 4))


def test_right_gradients_pass_to_third_order(x, rng):
    def cubic_quotient(x, y):
        return x * x * y / (y * y + 1.0)

    assert tn.gradcheck(cubic_quotient, [x, rng.normal(size=(3, 4))], order=3) is True
    assert tn.gradgradcheck(cubic_quotient, [x, rng.normal(size=(4,))]) is True


def test_a_wrong_gradient_is_named_with_both_values(x):
    def wrong(x, y):
        return x + SquareSlightlyWrong()(y)

    message = message_of(wrong, [x, x])
    pattern = (
        r"gradcheck of wrong: the gradient by input 1 \(shape \(3, 4\)\) is wrong in direction 1 \(seed 0\): "
        r"backward gives (\S+), finite differences give (\S+) \(allowed"
    )
    found = re.match(pattern, message)
    assert found, message
    assert float(found[1]) / float(found[2]) == pytest.approx(1.00005, rel=1e-6)


def test_the_worst_element_is_named(x):
    message = message_of(lambda x: SquareWrongInOneElement()(x), x)
    found = re.search(r"furthest off is element \[1, 2\]: (\S+) against (\S+)$", message)
    assert found, message
    assert float(found[1]) / float(found[2]) == pytest.approx(0.5, rel=1e-4)


def test_a_gradient_cut_off_from_the_graph_shows_in_second_order(x):
    def square(x):
        return SquareCutOff()(x)

    assert tn.gradcheck(square, x)
    assert "gradcheck of square, order 2: the gradient by input 0" in message_of(square, x, order=2)
    with pytest.raises(GradientCheckError, match="order 2"):
        tn.gradgradcheck(square, x)


def test_an_output_cut_off_from_the_graph_is_found(x):
    assert "backward gives 0," in message_of(lambda x: tn.Tensor(x.data * 2), x)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (SquareWithOtherArrays, "from backward_arrays and from the recorded backward differ by up to 1e-06"),
        (SquareChangingItsGradient, "changed the gradient of output 0 in place"),
        (SquareChangingItsInput, "gives different outputs"),
        (SquareOfWrongShape, r"the gradient by input 0 (shape (3, 4)) has shape (12,)"),
        (SquareOfWrongDtype, "is float32, not float64"),
        (SquareNotANumber, "holds NaN or infinity"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_other_faults_are_named(function, message, x):
    assert message in message_of(lambda x: function()(x), x)


def test_an_operation_differentiable_once_passes_the_first_order_only(x):
    assert tn.gradcheck(lambda x: SquareOnce()(x), x)
    with pytest.raises(tn.errors.GraphError, match="cannot be differentiated twice"):
        tn.gradcheck(lambda x: SquareOnce()(x), x, order=2)


def test_a_kink_near_the_point_is_stepped_around(x):
    x[0, 0], x[1, 1], x[2, 2] = 0.0, 3e-5, -1e-6
    assert tn.gradcheck(lambda x: AbsoluteValue()(x), x, order=2)


def test_a_wrong_gradient_beside_a_kink_is_still_found(x):
    x[0, 0] = 0.0
    assert "is wrong" in message_of(lambda x: AbsoluteValue()(x) + SquareSlightlyWrong()(x), x)


def test_kinks_everywhere_are_an_error_of_their_own(x):
    message = message_of(lambda x: Sawtooth()(x), x)
    assert "the function has a kink at input 0 (shape (3, 4)), and at 3 points nearby" in message


def test_a_point_at_the_edge_of_the_domain(x):
    message = message_of(lambda x: Logarithm()(x), np.full((50,), 1e-8))
    assert "the function is not finite around input 0 (shape (50,)), and at 3 points nearby" in message


def test_several_outputs_and_integer_inputs(x):
    def function(x, labels, y):
        assert labels.dtype == np.int64
        assert not labels.requires_grad
        return x * y, labels, y * 3.0

    assert tn.gradcheck(function, [x, np.arange(3), x + 1], order=2)


def test_float32_inputs_are_checked_in_float64_and_left_alone(x):
    single = tn.tensor(x.astype(np.float32), requires_grad=True)
    seen = set()

    def square(x):
        seen.add(x.dtype)
        return Square()(x)

    assert tn.gradcheck(square, [single], order=2)
    assert seen == {np.dtype(np.float64)}
    assert single.grad is None
    assert single.dtype == np.float32


def test_a_function_that_leaves_float64_is_named(x):
    message = message_of(lambda x: Single()(x), x)
    assert "output 0 is float32 although the inputs are float64" in message


def test_a_random_function_is_named(x, rng):
    assert "gives different outputs" in message_of(lambda x: x * rng.normal(), x)


def test_a_result_that_is_no_tensor_is_named(x):
    assert "output 1 is a float, not a tensor" in message_of(lambda x: (x, 1.0), x)


def test_the_same_seed_makes_the_same_check(x):
    def wrong(x):
        return SquareSlightlyWrong()(x)

    assert message_of(wrong, x, seed=3) == message_of(wrong, x, seed=3)
    assert message_of(wrong, x, seed=3) != message_of(wrong, x, seed=4)


def test_works_inside_no_grad_and_touches_no_global_random_state(x):
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - this very state must stay
    with tn.no_grad():
        assert tn.gradcheck(lambda x: Square()(x), x, order=2)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_empty_and_scalar_inputs():
    assert tn.gradcheck(lambda x: Square()(x), np.empty((0, 3)), order=2)
    assert tn.gradcheck(lambda x: Square()(x), 1.5, order=2)


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ([np.arange(3)], {}, r"no input holds floating-point numbers \(int64\)"),
        ([], {}, "no inputs"),
        ([np.ones(3)], {"order": 0}, "order must be at least 1, not 0"),
        ([np.ones(3)], {"directions": 0}, "directions must be at least 1, not 0"),
    ],
)
def test_impossible_requests(inputs, options, message):
    with pytest.raises(ArgumentError, match=message):
        tn.gradcheck(lambda *x: x, inputs, **options)
