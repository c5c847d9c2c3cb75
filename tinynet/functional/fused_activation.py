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
    """Base of operations that end in `activation`, which is None or "relu".

    A subclass with "relu" must also set ``reads_output = True``.
    """

    __slots__ = ()
    activation: str | None = None

    def before_activation(self, gy):
        """The gradient by what the activation was applied to, as a tensor that can be differentiated."""
        if self.activation is None:
            return gy
        return where(Tensor(self.output_data > 0), gy, 0.0)

    def before_activation_arrays(self, gy):
        """The same for arrays."""
        return gy if self.activation is None else kernels.relu_backward(gy, self.take_output_data())

    def before_bias_arrays(self, gy):
        """The gradients by what bias and activation were applied to, and by the bias, in one pass."""
        y = None if self.activation is None else self.take_output_data()
        return kernels.backward_with_bias(gy, y, self.activation)


def check_activation(operation, activation):
    """Raises ArgumentError unless the activation is None or "relu"."""
    if activation is not None and activation != "relu":
        raise ArgumentError(f"{operation}: activation must be None or 'relu', not {activation!r}")
