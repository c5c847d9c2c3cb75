"""Each error of tinynet is also the built-in error that a caller would expect."""

import pickle

import pytest

from tinynet import errors
from tinynet.errors import MissingExtraError, ShapeError, TinynetError

EXPECTED = {
    "AnomalyError": ArithmeticError,
    "ArgumentError": ValueError,
    "CheckpointError": ValueError,
    "DTypeError": TypeError,
    "DataError": ValueError,
    "DeviceError": RuntimeError,
    "GradientCheckError": AssertionError,
    "GraphError": RuntimeError,
    "MissingExtraError": ImportError,
    "ShapeError": ValueError,
}


def test_every_error_is_listed():
    assert set(errors.__all__) == {*EXPECTED, "TinynetError"}


@pytest.mark.parametrize("name", EXPECTED)
def test_kinds(name):
    cls = getattr(errors, name)
    assert issubclass(cls, TinynetError)
    assert issubclass(cls, EXPECTED[name])


def test_the_module_path_is_added_at_the_end():
    error = ShapeError("conv2d: too small")
    assert str(error) == "conv2d: too small"
    error.module_path = ("features", "conv2")
    assert str(error) == "conv2d: too small [features.conv2]"
    assert error.message == "conv2d: too small"


def test_a_missing_extra_says_what_to_install():
    error = MissingExtraError("plotting", "matplotlib", "plot")
    assert str(error) == "plotting needs matplotlib, which is not installed: pip install 'tinynet[plot]'"
    assert (error.package, error.extra) == ("matplotlib", "plot")


@pytest.mark.parametrize(
    "error", [ShapeError("conv2d: too small"), MissingExtraError("plotting", "matplotlib", "plot")], ids=repr
)
def test_errors_travel_between_processes(error):
    error.module_path = ("features", "conv2")
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)
