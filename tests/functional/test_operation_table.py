"""Tests generated for every operation from its description in ``operation_table/``."""

import importlib
import pkgutil
import zlib
from dataclasses import dataclass

import numpy as np
import pytest

import operation_table
import tinynet as tn
from tinynet import functional
from tinynet.backend import to_device

EXEMPT: dict[str, str] = {  # public function: why it is not in the table
    "complete_box_iou_loss": "its gradient takes a part of it for a constant; see test_boxes.py",
}

DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])


def modules_in(package):
    """The modules of a package, imported, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


class Input(tn.Function):
    """Hands on its input: the engine gives a leaf a gradient of its dtype, whatever backward computed."""

    __slots__ = ()

    def forward(self, x):
        return x

    def backward(self, gy):
        return gy


@dataclass(frozen=True, repr=False)
class Case:
    """One sample of one operation."""

    operation: object
    number: int

    def __str__(self):
        return f"{self.operation.name}-{self.number}"

    __repr__ = __str__

    @property
    def sample(self):
        return self.operation.samples[self.number]

    def generator(self, *more):
        return np.random.default_rng([zlib.crc32(self.operation.name.encode()), self.number, *more])

    def arrays(self, dtype=np.float64):
        """The input arrays. The float64 ones hold numbers that float32 can hold as well."""
        rng = self.generator()
        rounded = [entry.array(rng, np.float32) for entry in self.sample.inputs]
        return [array.astype(dtype) if array.dtype.kind == "f" else array for array in rounded]

    def weights(self, outputs):
        """A random gradient for each output."""
        rng = self.generator(1)
        return [rng.normal(size=output.shape).astype(output.dtype) for output in outputs]

    @property
    def differentiable(self):
        """The indices of the inputs by which gradients are checked."""
        inputs = self.sample.inputs
        drawn = self.arrays()
        return [i for i, entry in enumerate(inputs) if entry.differentiable and drawn[i].dtype.kind == "f"]

    def tensors(self, arrays):
        wanted = self.differentiable if self.operation.orders else ()
        return [
            Input()(tn.Tensor(array, requires_grad=index in wanted)) for index, array in enumerate(arrays)
        ]

    def call(self, tensors):
        """The outputs as a list."""
        function = self.operation.function or getattr(functional, self.operation.name)
        return as_list(function(*tensors, **self.sample.options))

    def reference(self, arrays):
        """The outputs of the definition in NumPy, as a list of arrays."""
        return [
            np.asarray(output) for output in as_list(self.operation.reference(*arrays, **self.sample.options))
        ]

    def gradients(self, arrays, weights=None, create_graph=False):
        """The gradients by the differentiable inputs, as tensors."""
        tensors = self.tensors(arrays)
        outputs = [output for output in self.call(tensors) if output.requires_grad]
        weights = weights or self.weights(outputs)
        inputs = [tensors[index] for index in self.differentiable]
        return tn.grad(outputs, inputs, weights, create_graph=create_graph)

    def function_of_differentiable(self):
        """The operation as a function of its differentiable inputs only, and those inputs."""
        arrays = self.arrays()
        indices = self.differentiable

        def function(*tensors):
            inputs = list(map(tn.Tensor, arrays))
            for index, tensor in zip(indices, tensors, strict=True):
                inputs[index] = tensor
            return self.call(inputs)

        function.__name__ = str(self)
        return function, [arrays[index] for index in indices]


def as_list(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


OPERATIONS = [
    operation for module in modules_in(operation_table) for operation in getattr(module, "OPERATIONS", ())
]
CASES = [Case(operation, number) for operation in OPERATIONS for number in range(len(operation.samples))]


def cases(condition=lambda operation: True):
    """Runs the test for every sample of the operations that fulfil a condition."""
    return pytest.mark.parametrize("case", [case for case in CASES if condition(case.operation)], ids=str)


def assert_close(found, expected, tolerance, what):
    """Compares an array with the expected one, relative to the largest expected number."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected, err_msg=what)
        return
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.where(finite, 0, found), np.where(finite, 0, expected), err_msg=what)
    largest = max(abs(expected[finite]).max(initial=0.0), 1e-2)
    np.testing.assert_allclose(
        found[finite], expected[finite], rtol=0, atol=tolerance * largest, err_msg=what
    )


def assert_all_close(found, expected, tolerance, what):
    assert len(found) == len(expected), f"{what}: {len(found)} of them, expected {len(expected)}"
    for index, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert_close(one, other, tolerance, f"{what} {index}")


def tolerance_of(case, dtype):
    return case.operation.tolerance if dtype == np.float64 else case.operation.tolerance32


def test_every_public_operation_is_in_the_table():
    public = {name for module in modules_in(functional) for name in module.__all__}
    described = {operation.name for operation in OPERATIONS}
    missing = sorted(public - described - EXEMPT.keys())
    assert not missing, f"operations without a description in tests/operation_table: {missing}"
    assert not EXEMPT.keys() - public, "an exempted operation does not exist"


def test_every_description_has_samples():
    assert OPERATIONS
    assert not [str(operation) for operation in OPERATIONS if not operation.samples]


@DTYPES
@cases()
def test_forward_follows_its_definition(case, dtype):
    arrays = case.arrays(dtype)
    expected = case.reference(case.arrays(np.float64))
    assert_all_close(case.call(case.tensors(arrays)), expected, tolerance_of(case, dtype), "output")


@DTYPES
@cases()
def test_floating_outputs_have_the_dtype_of_the_inputs(case, dtype):
    arrays = case.arrays(dtype)
    if not any(array.dtype.kind == "f" for array in arrays):
        return  # made from integers: the default dtype, or an explicit one
    outputs = case.call(case.tensors(arrays))
    assert {output.dtype for output in outputs if output.dtype.kind == "f"} <= {np.dtype(dtype)}


@cases(lambda operation: not operation.orders)
def test_operations_without_derivative_record_nothing(case):
    arrays = case.arrays()
    tensors = [tn.Tensor(array, requires_grad=array.dtype.kind == "f") for array in arrays]
    assert not any(output.requires_grad for output in case.call(tensors))


@cases(lambda operation: operation.orders)
def test_first_derivatives(case):
    function, inputs = case.function_of_differentiable()
    tn.gradcheck(function, inputs)


@cases(lambda operation: operation.orders > 1)
def test_second_derivatives(case):
    function, inputs = case.function_of_differentiable()
    tn.gradgradcheck(function, inputs)


@cases(lambda operation: operation.orders == 1)
def test_operations_differentiable_once_refuse_a_second_time(case):
    with pytest.raises(tn.errors.GraphError):
        gradients = case.gradients(case.arrays(), create_graph=True)
        again = [gradient for gradient in gradients if gradient.requires_grad]
        tn.grad(again, again[0], [np.ones(gradient.shape) for gradient in again])
        raise AssertionError(f"{case}: a second derivative was given")


@cases(lambda operation: operation.orders)
def test_float32_gradients_are_close_to_those_in_float64(case):
    expected = case.gradients(case.arrays(np.float64))
    single = case.arrays(np.float32)
    plain = case.gradients(single)
    assert {gradient.dtype for gradient in plain} == {np.dtype(np.float32)}
    assert_all_close(plain, expected, 4 * case.operation.tolerance32, "gradient")
    if case.operation.orders > 1:
        recorded = case.gradients(single, create_graph=True)
        assert {gradient.dtype for gradient in recorded} == {np.dtype(np.float32)}
        assert_all_close(recorded, expected, 4 * case.operation.tolerance32, "recorded gradient")


def transposed(array):
    """The same numbers, in memory in the reverse order of axes."""
    return array.T.copy(order="C").T


def reversed_in_memory(array):
    """The same numbers, behind negative strides."""
    flip = (slice(None, None, -1),) * array.ndim
    return array[flip].copy(order="C")[flip]


def spread(array):
    """The same numbers, with gaps between them in memory."""
    if not array.ndim:
        return array
    wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), 7, array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


@pytest.mark.parametrize(
    "layout", [transposed, reversed_in_memory, spread], ids=lambda layout: layout.__name__
)
@cases()
def test_layout_in_memory_does_not_matter(case, layout):
    arrays = case.arrays()
    strided = list(map(layout, arrays))
    expected = case.call(case.tensors(arrays))
    assert_all_close(case.call(case.tensors(strided)), expected, 1e-12, "output")
    if case.operation.orders:
        weights = case.weights([output for output in expected if output.requires_grad])
        gradients = case.gradients(strided, list(map(layout, weights)))
        assert_all_close(gradients, case.gradients(arrays, weights), 1e-12, "gradient")


@cases(lambda operation: operation.orders)
def test_gradient_of_a_sum_is_broadcast_and_read_only(case):
    arrays = case.arrays()
    outputs = [output for output in case.call(case.tensors(arrays)) if output.requires_grad]
    ones = [np.broadcast_to(np.ones(()), output.shape) for output in outputs]
    expected = case.gradients(arrays, [array.copy() for array in ones])
    assert_all_close(case.gradients(arrays, ones), expected, 1e-12, "gradient")


@DTYPES
@cases()
def test_inputs_and_gradients_stay_unchanged(case, dtype):
    arrays = case.arrays(dtype)
    copies = [array.copy() for array in arrays]
    outputs = case.call(case.tensors(arrays))
    if case.operation.orders:
        weights = case.weights([output for output in outputs if output.requires_grad])
        weight_copies = [weight.copy() for weight in weights]
        case.gradients(arrays, weights)
        for weight, copy in zip(weights, weight_copies, strict=True):
            np.testing.assert_array_equal(weight, copy)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@cases(lambda operation: operation.orders)
def test_outputs_survive_the_backward_pass(case):
    tensors = case.tensors(case.arrays())
    outputs = [output for output in case.call(tensors) if output.requires_grad]
    copies = [output.data.copy() for output in outputs]
    tn.grad(outputs, [tensors[index] for index in case.differentiable], case.weights(outputs))
    for output, copy in zip(outputs, copies, strict=True):
        np.testing.assert_array_equal(output.data, copy)


def emptied(case):
    """Ways of giving the inputs no elements along the axis: the first alone, or all of its length."""
    axis = case.operation.empty
    arrays = case.arrays()
    length = arrays[0].shape[axis]

    def empty(array):
        return np.take(array, [], axis=axis)

    def goes_along(array):
        return array.ndim > axis and array.shape[axis] == length

    yield [empty(arrays[0]), *arrays[1:]]
    yield [empty(array) if goes_along(array) else array for array in arrays]


@cases(lambda operation: operation.empty is not None)
def test_empty_batch(case):
    if not case.sample.inputs or case.arrays()[0].ndim <= case.operation.empty:
        return
    failures = []
    for arrays in emptied(case):
        try:
            expected = case.reference(arrays)
            outputs = case.call(case.tensors(arrays))
        except (ValueError, IndexError) as error:  # these shapes do not fit together
            failures.append(error)
            continue
        assert_all_close(outputs, expected, 1e-10, "output")
        if case.operation.orders:
            gradients = case.gradients(arrays)
            shapes = [arrays[index].shape for index in case.differentiable]
            assert [gradient.shape for gradient in gradients] == shapes
        return
    raise AssertionError(f"{case}: no way of giving an empty batch works") from failures[-1]


@DTYPES
@cases(lambda operation: operation.torch is not None)
def test_pytorch_gives_the_same(case, dtype):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    arrays = case.arrays(dtype)
    wanted = case.differentiable if case.operation.orders else []
    twins = [torch.tensor(array, requires_grad=index in wanted) for index, array in enumerate(arrays)]
    expected = as_list(case.operation.torch(torch, *twins, **case.sample.options))
    outputs = case.call(case.tensors(arrays))
    tolerance = max(tolerance_of(case, dtype), 1e-10 if dtype == np.float64 else 1e-5)
    assert_all_close(outputs, [output.detach().numpy() for output in expected], tolerance, "output")
    if not wanted:
        return
    weights = case.weights([output for output in outputs if output.requires_grad])
    expected_gradients = torch.autograd.grad(
        [output for output in expected if output.requires_grad],
        [twins[index] for index in wanted],
        list(map(torch.tensor, weights)),
    )
    assert_all_close(case.gradients(arrays, weights), expected_gradients, tolerance, "gradient")


@DTYPES
@cases()
def test_gpu_gives_the_same(case, dtype, cuda):
    arrays = case.arrays(dtype)
    on_device = [to_device(array, cuda) for array in arrays]
    tolerance = max(tolerance_of(case, dtype), 1e-10)
    expected = case.call(case.tensors(arrays))
    with cuda:  # what an operation makes out of nothing goes to the default device
        outputs = case.call(case.tensors(on_device))
    assert {output.device for output in outputs} == {cuda}
    if case.operation.name in ("rand", "randn"):  # the GPU has random numbers of its own
        assert [(y.shape, y.dtype) for y in outputs] == [(y.shape, y.dtype) for y in expected]
        return
    assert_all_close(
        [output.numpy() for output in outputs], [y.numpy() for y in expected], tolerance, "output"
    )
    if case.operation.orders:
        weights = case.weights([output for output in expected if output.requires_grad])
        gradients = case.gradients(on_device, [to_device(weight, cuda) for weight in weights])
        assert {gradient.device for gradient in gradients} == {cuda}
        plain = case.gradients(arrays, weights)
        assert_all_close(
            [gradient.numpy() for gradient in gradients],
            [g.numpy() for g in plain],
            4 * tolerance,
            "gradient",
        )
