"""`autocast`: what is cast, what isn't, and that gradients are as good as the precision allows."""

import itertools
import threading

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn
from tinynet.autograd import precision
from tinynet.autograd.mode import per_thread
from tinynet.errors import AnomalyError, ArgumentError
from tinynet.nn.parameter import Parameter, flatten
from tinynet_kernels.cuda.modes import ROUNDINGS, rounding

HALF_UNIT = 2.0**-11  # the largest relative error of rounding to float16


def random_tensor(rng, *shape, dtype=np.float32, requires_grad=True):
    return tn.Tensor(rng.normal(size=shape).astype(dtype), requires_grad)


def gradients_of(tensors):
    return [tensor.grad.data for tensor in tensors]


# What is computed in which dtype

PRODUCTS = {
    "linear": (F.linear, [(5, 4), (4, 3), (3,)]),
    "linear without bias": (F.linear, [(2, 5, 4), (4, 3)]),
    "rectified": (lambda *inputs: F.linear(*inputs, activation="relu"), [(5, 4), (4, 3), (3,)]),
    "matmul": (F.matmul, [(2, 5, 4), (2, 4, 3)]),
    "vector product": (F.matmul, [(4,), (4, 3)]),
    "einsum": (lambda x, y: F.einsum("ij,kj->ik", x, y), [(5, 4), (3, 4)]),
    "conv1d": (F.conv1d, [(2, 7, 3), (3, 3, 4), (4,)]),
    "conv2d": (F.conv2d, [(2, 5, 6, 3), (3, 2, 3, 4), (4,)]),
    "conv_transpose2d": (F.conv_transpose2d, [(2, 4, 3, 4), (3, 2, 3, 4), (3,)]),
    "rnn": (lambda *inputs: F.rnn(*inputs)[0], [(2, 5, 3), (1, 3, 4), (1, 4, 4), (1, 4), (1, 4)]),
    "lstm": (lambda *inputs: F.lstm(*inputs)[0], [(2, 5, 3), (2, 3, 16), (2, 4, 16), (2, 16), (2, 16)]),
    "gru": (lambda *inputs: F.gru(*inputs)[0], [(2, 5, 3), (1, 3, 12), (1, 4, 12)]),
    "rnn_cell": (F.rnn_cell, [(2, 3), (2, 4), (3, 4), (4, 4)]),
    "gru_cell": (F.gru_cell, [(2, 3), (2, 4), (3, 12), (4, 12), (12,), (12,)]),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_float16_and_their_gradients_float32(rng, name):
    function, shapes = PRODUCTS[name]
    inputs = [random_tensor(rng, *shape) for shape in shapes]
    exact = [tn.Tensor(x.data.astype(np.float64), requires_grad=True) for x in inputs]
    expected = function(*exact)
    gradient = rng.normal(size=expected.shape)
    expected.backward(gradient)
    with tn.autocast("float16"):
        y = function(*inputs)
    y.backward(gradient.astype(np.float16))
    assert y.dtype == np.float16
    # Rounded are each factor, what is kept in between, and the result. The sums themselves are float32.
    scale = np.abs(expected.data).max()
    np.testing.assert_allclose(y.data, expected.data, atol=16 * HALF_UNIT * scale)
    for found, wanted in zip(gradients_of(inputs), gradients_of(exact), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, atol=16 * HALF_UNIT * np.abs(wanted).max())


def test_the_error_of_a_product_is_that_of_its_factors(rng):
    x, weight = random_tensor(rng, 8, 300), random_tensor(rng, 300, 5)
    with tn.autocast("float16"):
        y = F.linear(x, weight)
    exact = x.data.astype(np.float64) @ weight.data
    # (1 + δ)(1 + ε) for the factors, 300 roundings of the sum in float32, one of the result to float16.
    bound = (2 * HALF_UNIT + HALF_UNIT**2 + 300 * 2.0**-24) * (np.abs(x.data) @ np.abs(weight.data))
    assert (np.abs(y.data - exact) <= bound + HALF_UNIT * np.abs(exact) + 2.0**-25).all()


ACCURATE = {
    "softmax": F.softmax,
    "log_softmax": F.log_softmax,
    "sum": F.sum,
    "mean": lambda x: F.mean(x, axis=0),
    "var": F.var,
    "prod": F.prod,
    "cumsum": F.cumsum,
    "logsumexp": F.logsumexp,
    "norm": F.norm,
    "exp": F.exp,
    "expm1": F.expm1,
    "log": lambda x: F.log(x * x + 1.0),
    "log1p": lambda x: F.log1p(x * x),
    "power": lambda x: x**3,
    "fractional power": lambda x: (x * x + 1.0) ** 0.5,
    "tensor power": lambda x: (x * x + 1.0) ** x,
    "squash": F.squash,
    "capsule_lengths": F.capsule_lengths,
    "cosine_similarity": lambda x: F.cosine_similarity(x, x[::-1]),
    "cross_entropy": lambda x: F.cross_entropy(x, np.arange(4)),
    "soft cross_entropy": lambda x: F.cross_entropy(x, np.full((4, 6), 1 / 6)),
    "nll_loss": lambda x: F.nll_loss(x, np.arange(4)),
    "mse_loss": lambda x: F.mse_loss(x, np.ones((4, 6))),
    "huber_loss": lambda x: F.huber_loss(x, np.ones((4, 6))),
    "bce": lambda x: F.binary_cross_entropy_with_logits(x, np.ones((4, 6))),
    "kl_div": lambda x: F.kl_div(x, np.full((4, 6), 1 / 6)),
    "margin_loss": lambda x: F.margin_loss(x, np.arange(4)),
    "ctc": lambda x: F.ctc_loss_with_logits(x.reshape(1, 4, 6), [[1, 2]]),
    "route": lambda x: F.route(x.reshape(1, 4, 6), tn.Tensor(np.ones((4, 2, 6, 3), np.float32))),
}


@pytest.mark.parametrize("name", ACCURATE)
def test_what_needs_digits_is_float32(rng, name):
    x = random_tensor(rng, 4, 6, dtype=np.float16)
    as_float32 = tn.Tensor(x.data.astype(np.float32), requires_grad=True)
    with tn.autocast("float16"):
        y = ACCURATE[name](x)
    # x is a float16 number to begin with, of which `x * x + 1.0` makes others outside of the function.
    expected = ACCURATE[name](as_float32)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-5 if "x * x" not in name else 1e-2, atol=4e-3)
    y.backward(np.ones(y.shape, np.float32))
    assert x.grad.dtype == np.float16


NORMALISATIONS = {
    "batch_norm": F.batch_norm,
    "layer_norm": F.layer_norm,
    "instance_norm": F.instance_norm,
    "group_norm": lambda x: F.group_norm(x, 2),
    "local_response_norm": F.local_response_norm,
    "l2_normalize": F.l2_normalize,
}


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_normalisations_compute_in_float32_and_give_what_they_got(rng, name):
    # In float16 the squares of these numbers are infinite.
    x = tn.Tensor((300 * rng.normal(size=(2, 3, 3, 4))).astype(np.float16), requires_grad=True)
    with tn.autocast("float16"):
        y = NORMALISATIONS[name](x)
    expected = NORMALISATIONS[name](tn.Tensor(x.data.astype(np.float32)))
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y.data, expected.data.astype(np.float16))
    y.sum().backward()
    assert x.grad.dtype == np.float16


def test_batch_norm_keeps_float32_statistics(rng):
    layer = nn.BatchNorm2d(3)
    x = tn.Tensor(rng.normal(size=(4, 5, 5, 3)).astype(np.float16))
    with tn.autocast("float16"):
        layer(x)
        layer.eval()
        y = layer(x)
    twin = nn.BatchNorm2d(3)
    twin(tn.Tensor(x.data.astype(np.float32)))
    assert y.dtype == np.float16
    np.testing.assert_array_equal(layer.running_mean.data, twin.running_mean.data)
    np.testing.assert_array_equal(layer.running_var.data, twin.running_var.data)


def test_other_operations_take_what_comes(rng):
    x = random_tensor(rng, 2, 4, 4, 3, dtype=np.float16)
    with tn.autocast("float16"):
        assert F.relu(x).dtype == F.max_pool2d(x, 2).dtype == (x * 2.0).dtype == np.float16
        assert (x + random_tensor(rng, 3)).dtype == np.float32
        assert F.relu(random_tensor(rng, 3)).dtype == np.float32


def test_float64_and_integers_stay_what_they_are(rng):
    x, weight = random_tensor(rng, 3, 4, dtype=np.float64), random_tensor(rng, 4, 2, dtype=np.float64)
    with tn.autocast("float16"):
        assert F.linear(x, weight).dtype == np.float64
        assert (tn.tensor([[1, 2]]) @ tn.tensor([[3], [4]])).dtype == np.int64
        assert (tn.tensor([2, 3]) ** 2).dtype == np.int64
        assert F.sum(tn.tensor([True, True])).dtype == np.int64


# Parameters and their casts


def two_uses(model, x):
    with tn.autocast("float16"):
        return F.sum(model(x) * 1.0 + model(x) * 2.0)


def test_parameters_are_cast_once_and_again_after_a_change(rng, monkeypatch):
    layers = [nn.Linear(4, 4), nn.Linear(4, 4)]
    flatten([parameter for layer in layers for parameter in layer.parameters()])
    casts = []
    original = precision.Precision.cast_of
    monkeypatch.setattr(
        precision.Precision, "cast_of", lambda self, x: casts.append(original(self, x)) or casts[-1]
    )
    x = tn.Tensor(rng.normal(size=(2, 4)).astype(np.float16))
    with tn.autocast("float16"):
        for layer, _ in itertools.product(layers, range(2)):
            layer(x)
        assert len({id(cast.base) for cast in casts}) == 1  # views into one array
        with tn.no_grad():
            layers[1].weight.copy_(tn.Tensor(np.full((4, 4), 2.0, np.float32)))
        y = layers[1](x)
    np.testing.assert_allclose(
        y.data, 2 * x.data.astype(np.float64).sum(axis=1, keepdims=True).repeat(4, 1), rtol=4e-3
    )
    assert casts[-1].base is not casts[0].base


def test_a_captured_step_casts_by_itself(monkeypatch):
    weight = Parameter(np.ones((2, 2), np.float32))
    flatten([weight])
    with tn.autocast("float16"):
        asked = per_thread.mode.precision
        before = asked.cast_of(weight)
        monkeypatch.setattr(precision, "is_capturing", lambda: True)
        captured = asked.cast_of(weight)
    np.testing.assert_array_equal(captured, before)
    assert not np.shares_memory(captured, before)


def test_uses_of_one_parameter_add_up_in_float32():
    # Of 2048 and 1 the sum is 2049, which float16 rounds to 2048.
    weight = Parameter(np.ones((1, 1), np.float32))
    flatten([weight])
    with tn.autocast("float16"):
        y = F.sum(F.linear(tn.Tensor(np.full((1, 1), 2048, np.float32)), weight))
        y = y + F.sum(F.linear(tn.Tensor(np.ones((1, 1), np.float32)), weight))
    y.backward()
    assert weight.grad.data.item() == 2049


def test_gradients_go_to_the_flat_buffer(rng):
    layer = nn.Linear(4, 3)
    flatten(list(layer.parameters()))
    with tn.autocast("float16"):
        loss = F.sum(layer(random_tensor(rng, 5, 4, requires_grad=False)))
    loss.backward()
    for parameter in layer.parameters():
        assert np.shares_memory(parameter.grad.data, parameter.buffer.gradient)
        assert parameter.grad.dtype == parameter.dtype == np.float32


def test_frozen_parameters_and_parameters_without_a_buffer(rng):
    layer = nn.Linear(4, 3)
    layer.weight.requires_grad_(False)
    x = random_tensor(rng, 5, 4)
    with tn.autocast("float16"):
        y = layer(x)
    y.sum().backward()
    assert layer.weight.grad is None
    np.testing.assert_array_equal(layer.bias.grad.data, 5)
    np.testing.assert_allclose(x.grad.data, layer.weight.data.sum(1)[None].repeat(5, 0), atol=5e-3)


# Blocks


def dtype_of_product(rng):
    return F.matmul(random_tensor(rng, 2, 2), random_tensor(rng, 2, 2)).dtype


def test_blocks_nest_and_the_innermost_decides(rng):
    block = tn.autocast("float16")
    assert dtype_of_product(rng) == np.float32
    with block:
        assert dtype_of_product(rng) == np.float16
        with tn.autocast("float32"):
            assert dtype_of_product(rng) == np.float32
            half = tn.Tensor(np.ones((2, 2), np.float16))
            assert F.matmul(half, random_tensor(rng, 2, 2)).dtype == np.float32
            with block:
                assert dtype_of_product(rng) == np.float16
            assert dtype_of_product(rng) == np.float32
        for name in ROUNDINGS:
            with tn.autocast(name):
                assert rounding() == name
                assert dtype_of_product(rng) == np.float32
                with tn.autocast("float32"):
                    assert rounding() is None
            assert dtype_of_product(rng) == np.float16
            assert rounding() is None
    assert dtype_of_product(rng) == np.float32
    assert precision.open_blocks == 0


@pytest.mark.parametrize("name", ROUNDINGS)
def test_an_error_ends_the_block(rng, name):
    with pytest.raises(RuntimeError, match="from inside"), tn.autocast(name):
        raise RuntimeError("from inside")
    assert rounding() is None
    assert precision.open_blocks == 0
    assert dtype_of_product(rng) == np.float32


def test_a_block_holds_for_its_thread_only(rng):
    found = []
    with tn.autocast("float16"):
        thread = threading.Thread(target=lambda: found.append(dtype_of_product(rng)))
        thread.start()
        thread.join()
        assert dtype_of_product(rng) == np.float16
    assert found == [np.float32]


def test_threads_can_share_an_object(rng):
    block, found = tn.autocast("bfloat16"), []
    entered, left = threading.Event(), threading.Event()

    def other():
        with block:
            entered.set()
            left.wait(10)
            found.append(rounding())
        found.append(rounding())

    thread = threading.Thread(target=other)
    with block:
        thread.start()
        assert entered.wait(10)
    assert rounding() is None
    left.set()
    thread.join()
    assert found == ["bfloat16", None]
    assert precision.open_blocks == 0


@pytest.mark.parametrize("name", ["float64", "half", None, 16])
def test_unknown_precisions(name):
    with pytest.raises(ArgumentError) as error:
        tn.autocast(name)
    assert str(error.value) == (
        f"autocast: there is no precision {name!r}; choose 'float16', 'bfloat16', 'tf32' or 'float32'"
    )


@pytest.mark.parametrize("name", ROUNDINGS)
def test_arrays_of_what_is_rounded_are_float32(rng, name):
    x, half = random_tensor(rng, 3, 4), random_tensor(rng, 4, 2, dtype=np.float16)
    with tn.autocast(name):
        assert per_thread.mode.precision.cast_of(x).dtype == np.float32
        y = F.matmul(x, half)
        assert F.softmax(y).dtype == y.dtype == np.float32
    y.sum().backward()
    assert (x.grad.dtype, half.grad.dtype) == (np.float32, np.float16)


@pytest.mark.parametrize("name", ROUNDINGS)
def test_the_processor_does_not_round(rng, name):
    x, weight = random_tensor(rng, 3, 4), random_tensor(rng, 4, 2)
    with tn.autocast(name):
        y = F.linear(x, weight)
    np.testing.assert_array_equal(y.data, F.linear(x, weight).data)


# Backward passes


def test_backward_computes_as_forward_did_wherever_it_runs(rng):
    x, weight = random_tensor(rng, 3, 4), random_tensor(rng, 4, 2)

    def gradients(surroundings):
        x.grad = weight.grad = None
        with tn.autocast("float16"):
            loss = F.sum(F.softmax(F.linear(x, weight)) ** 2)
        with surroundings:
            loss.backward()
        return [array.copy() for array in gradients_of((x, weight))]

    outside = gradients(tn.autocast("float32"))
    for name in ("float16", *ROUNDINGS):
        for found, wanted in zip(gradients(tn.autocast(name)), outside, strict=True):
            np.testing.assert_array_equal(found, wanted)


class Spy(tn.Function):
    """Notes what factors are rounded to, forward and backward."""

    __slots__ = ("seen",)

    def __init__(self, seen):
        self.seen = seen

    def forward(self, x):
        self.seen.append(("forward", rounding()))
        return x.copy()

    def backward(self, gy):
        self.seen.append(("backward", rounding()))
        return gy * 1.0


@pytest.mark.parametrize(("name", "other"), [ROUNDINGS, ROUNDINGS[::-1]])
@pytest.mark.parametrize("create_graph", [False, True])
def test_the_rounding_of_the_forward_pass_holds_backward(create_graph, name, other):
    seen = []
    x = tn.Tensor(np.ones(2, np.float32), requires_grad=True)
    with tn.autocast(name):
        inside = Spy(seen)(x)
    outside = Spy(seen)(inside)
    with tn.autocast(other):  # where backward runs does not matter
        tn.grad(outside.sum(), x, create_graph=create_graph)
    assert seen == [("forward", name), ("forward", None), ("backward", None), ("backward", name)]
    assert per_thread.mode.products is None


def products_behind(node):
    found = {node} if node.operation == "matmul" else set()
    for edge in node.edges:
        if edge is not None and edge.is_node:
            found |= products_behind(edge)
    return found


@pytest.mark.parametrize("name", ROUNDINGS)
def test_derivatives_of_higher_order_are_rounded_as_the_first(name):
    x = tn.Tensor(np.full((1, 1), 3.0, np.float32), requires_grad=True)
    with tn.autocast(name):
        y = F.matmul(F.matmul(x, x), x)
    first = tn.grad(y.sum(), x, create_graph=True)
    products = products_behind(first.node)
    assert len(products) > 2  # those of the forward pass, and of their gradients
    for node in products:
        with node.products():
            assert rounding() == name
    assert rounding() is None
    assert tn.grad(first.sum(), x).item() == 18.0


def test_second_derivatives(rng):
    weight = random_tensor(rng, 3, 3)
    x = random_tensor(rng, 2, 3)
    exact = [tn.Tensor(tensor.data.astype(np.float64), requires_grad=True) for tensor in (x, weight)]

    def second(x, weight, block):
        with block:
            loss = F.sum(F.linear(x, weight) ** 3)
        gradient = tn.grad(loss, x, create_graph=True)
        return tn.grad(F.sum(gradient * gradient), weight).data

    wanted = second(*exact, tn.autocast("float32"))
    found = second(x, weight, tn.autocast("float16"))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=64 * HALF_UNIT * np.abs(wanted).max())


def test_checkpointed_sections_run_again_in_their_precision(rng):
    x, weight = random_tensor(rng, 3, 4), random_tensor(rng, 4, 2)

    def section(x):
        return F.softmax(F.linear(x, weight))

    def gradients(call):
        x.grad = weight.grad = None
        with tn.autocast("float16"):
            y = call(x)
        (y * y).sum().backward()
        return [array.copy() for array in gradients_of((x, weight))]

    expected = gradients(section)
    for found, wanted in zip(gradients(lambda x: tn.checkpoint(section, x)), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_overflow_is_found_by_anomaly_detection():
    x = tn.Tensor(np.full((1, 2), 300.0, np.float32))
    with (
        np.errstate(over="ignore"),
        tn.detect_anomaly(),
        tn.autocast("float16"),
        pytest.raises(AnomalyError, match="linear: the output of forward holds infinity"),
    ):
        F.linear(x, tn.Tensor(np.full((2, 1), 300.0, np.float32)))
