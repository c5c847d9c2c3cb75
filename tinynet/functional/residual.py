"""The end of a residual block: adding the shortcut, then cutting off below zero."""

from tinynet.functional.arithmetic import Broadcasting, operands, sum_to
from tinynet.functional.conversion import floating
from tinynet.functional.fused_activation import ActivatedFunction
from tinynet_kernels import activation as kernels
from tinynet_kernels.memory import calculate

__all__ = ["add_relu"]


class AddRelu(ActivatedFunction):
    """max(x + y, 0). The sum is cut off where it stands and not kept."""

    __slots__ = ("shapes",)
    operation = "add_relu"
    activation = "relu"
    reads_output = True
    explain = Broadcasting.explain

    def forward(self, x, y):
        self.shapes = x.shape, y.shape
        if x.shape == y.shape:
            return kernels.add_relu(x, y)
        total = calculate(self.xp.add, x, y)
        return self.xp.maximum(total, 0, out=total) if total.ndim else self.xp.maximum(total, 0)

    def backward(self, gy):
        return self._gradients(self.before_activation(gy))

    def backward_arrays(self, gy):
        return self._gradients(self.before_activation_arrays(gy))

    def _gradients(self, gradient):
        x_shape, y_shape = self.shapes
        return (
            sum_to(gradient, x_shape) if self.needs(0) else None,
            sum_to(gradient, y_shape) if self.needs(1) else None,
        )


def add_relu(x, y):
    """max(x + y, 0) in one operation, with broadcasting: how a residual block ends. The slope at 0 is 0.

    Raises ShapeError when the shapes do not broadcast.

    K. He et al., "Deep residual learning for image recognition", 2016, figure 2.
    """
    x, y = operands(floating(x), y)
    return AddRelu()(x, y)
