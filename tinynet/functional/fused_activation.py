"""What operations share that end in an activation: a product or a convolution with bias, batch norm.

The activation is applied while the output is written, which saves a pass over memory forward and another
backward. What comes before it is never kept: backward finds the slope of ReLU in the sign of the output.
"""

from tinynet.autograd import Function, Tensor
from tinynet.errors import ArgumentError
from tinynet.functional.elementwise import where
from tinynet_kernels import activation as kernels

__all__: list[str] = []


class ActivatedFunction(Function):
    """Base of operations that end in `activation`, which is None, "relu" or "relu6".

    A subclass with one of these must also set ``reads_output = True``.
    """

    __slots__ = ()
    activation: str | None = None

    def before_activation(self, gy):
        """The gradient by what the activation was applied to, as a tensor that can be differentiated."""
        if self.activation is None:
            return gy
        return where(Tensor(self._passes(self.output_data)), gy, 0.0)

    def before_activation_arrays(self, gy):
        """The same for arrays."""
        if self.activation == "relu":
            return kernels.relu_backward(gy, self.take_output_data())
        return gy if self.activation is None else gy * self._passes(self.take_output_data())

    def before_bias_arrays(self, gy):
        """The gradients by what bias and activation were applied to, and by the bias, in one pass."""
        if self.activation == "relu":
            return kernels.backward_with_bias(gy, self.take_output_data(), self.activation)
        return kernels.backward_with_bias(self.before_activation_arrays(gy), None, None)

    def _passes(self, y):
        """Where the activation, of which y is the result, has cut nothing off."""
        return (y > 0) & (y < 6) if self.activation == "relu6" else y > 0


def check_activation(operation, activation, known=("relu",)):
    """Raises ArgumentError unless the activation is None or one of those that the operation knows."""
    if activation is not None and activation not in known:
        names = ", ".join(["None", *map(repr, known[:-1])])
        raise ArgumentError(f"{operation}: activation must be {names} or {known[-1]!r}, not {activation!r}")
