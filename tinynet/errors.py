"""The errors that tinynet raises. Each is also the built-in error that a caller would expect.

A message names the operation, the argument and the values at fault. When an error passes through
modules on its way up, the path of the module where it arose is added at the end: ``[features.conv2]``.
"""

__all__ = [
    "AnomalyError",
    "ArgumentError",
    "CheckpointError",
    "DTypeError",
    "DataError",
    "DeviceError",
    "GradientCheckError",
    "GraphError",
    "MissingExtraError",
    "ShapeError",
    "TinynetError",
]


class TinynetError(Exception):
    """Base of all errors raised by tinynet.

    Attributes:
        module_path: names of the modules, outermost first, through which the error passed.
    """

    def __init__(self, message):
        super().__init__(message)
        self.message = message
        self.module_path = ()

    def __str__(self):
        if not self.module_path:
            return self.message
        return f"{self.message} [{'.'.join(self.module_path)}]"


class ArgumentError(TinynetError, ValueError):
    """An argument has a value that the operation cannot work with."""


class ShapeError(ArgumentError):
    """The shapes of the arguments do not fit together."""


class DTypeError(TinynetError, TypeError):
    """An argument has a type or dtype that the operation cannot work with."""


class DeviceError(TinynetError, RuntimeError):
    """A device is missing, or arrays of different devices meet in one operation."""


class GraphError(TinynetError, RuntimeError):
    """The recorded graph cannot be used as asked: freed, damaged in place, not differentiable."""


class AnomalyError(TinynetError, ArithmeticError):
    """An operation made the first NaN or infinity, found under ``detect_anomaly``."""


class GradientCheckError(TinynetError, AssertionError):
    """An analytic gradient differs from the numeric one."""


class CheckpointError(TinynetError, ValueError):
    """A file of weights or a checkpoint is damaged or does not fit the model."""


class DataError(TinynetError, ValueError):
    """A data file is damaged, hostile, or not of the expected format."""


class MissingExtraError(TinynetError, ImportError):
    """A feature needs a package that is installed by one of tinynet's extras."""

    def __init__(self, purpose, package, extra):
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install 'tinynet[{extra}]'")
        self.purpose = purpose
        self.package = package
        self.extra = extra

    def __reduce__(self):
        return type(self), (self.purpose, self.package, self.extra), vars(self)
