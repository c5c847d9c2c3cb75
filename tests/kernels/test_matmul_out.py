"""The matrix product, written into an array of the caller."""

import numpy as np
import pytest

from tinynet_kernels import matmul, pinned

# Shapes of a and b, and which of them are transposed.
PRODUCTS = {
    "matrices": ((70, 50), (50, 90), False, False),
    "transposed": ((50, 70), (90, 50), True, True),
    "long sum, in parts": ((9000, 33), (9000, 70), True, False),
    "batch": ((3, 20, 30), (3, 30, 40), False, False),
    "batch and one matrix": ((3, 20, 30), (30, 40), False, False),
    "leading axes that are broadcast": ((2, 1, 20, 30), (3, 30, 40), False, False),
    "empty": ((0, 5), (5, 4), False, False),
    "empty sum": ((3, 0), (0, 4), False, False),
}
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}


def example(name, dtype):
    random = np.random.default_rng(0)
    a_shape, b_shape, *transposed = PRODUCTS[name]
    a, b = (random.standard_normal(shape).astype(dtype) for shape in (a_shape, b_shape))
    columns = b_shape[-2 if transposed[1] else -1]
    return a, b, *transposed, random.standard_normal(columns).astype(dtype)


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_the_product_is_written_there_and_nowhere_else(name, dtype, take):
    *arguments, bias = example(name, dtype)
    with pinned("reference"):
        expected = {None: matmul.product(*arguments), "relu": matmul.product(*arguments, bias, "relu")}
    for activation, y in expected.items():
        buffer = np.full(y.size + 6, np.nan, dtype)
        out = buffer[3 : 3 + y.size].reshape(y.shape)
        with pinned(take):
            found = matmul.product(*arguments, None if activation is None else bias, activation, out=out)
        assert found is out
        np.testing.assert_allclose(out, y, rtol=0, atol=TOLERANCE[dtype] * np.abs(y).max(initial=1))
        assert np.isnan(buffer[:3]).all()
        assert np.isnan(buffer[3 + y.size :]).all()


def test_an_array_that_cannot_take_the_product_is_refused():
    a, b = np.ones((3, 4), np.float32), np.ones((4, 5), np.float32)
    read_only = np.empty((3, 5), np.float32)
    read_only.flags.writeable = False
    unfit = {
        "shape": np.empty((5, 3), np.float32),
        "dtype": np.empty((3, 5)),
        "order": np.empty((3, 5), np.float32, order="F"),
        "read-only": read_only,
    }
    for name, out in unfit.items():
        with pytest.raises(ValueError, match=r"matmul\.product: out has shape .* but must have \(3, 5\)"):
            matmul.product(a, b, out=out)
        assert name
