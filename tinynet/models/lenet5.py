"""LeNet-5, the network that read handwritten digits on cheques.

Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document
Recognition", Proceedings of the IEEE, 1998.
"""

from tinynet import functional as F
from tinynet import nn
from tinynet.errors import ArgumentError

__all__ = ["LeNet5"]

POOLING = {"classic": nn.AvgPool2d, "modern": nn.MaxPool2d}
ACTIVATION = {"classic": F.tanh, "modern": F.relu}


class LeNet5(nn.Module):
    """Convolution, pooling, convolution, pooling, three dense layers: 61,706 parameters for grey images.

    ========  =================
    layer     output (H, W, C)
    ========  =================
    conv1     28, 28, 6
    pool1     14, 14, 6
    conv2     10, 10, 16
    pool2     5, 5, 16
    flatten   400
    dense1    120
    dense2    84
    dense3    num_classes
    ========  =================

    Two simplifications of the paper, both customary today: every map of the second convolution sees all
    maps below it, and the output layer is a plain dense one in place of radial basis functions.

    Args:
        num_classes: the number of classes.
        in_channels: the number C of channels of an image.
        variant: ``"modern"`` pools by the maximum and activates by ReLU, ``"classic"`` pools by the
            average and activates by tanh.
        input_size: 32 for images of 32 × 32 pixels; 28 for images of 28 × 28 pixels, to which the first
            convolution adds the missing border of two zeros on each side.

    Raises:
        ArgumentError: the variant or the input size is neither of these.
    """

    input_shape = (32, 32, 1)

    def __init__(self, num_classes=10, in_channels=1, variant="modern", input_size=32):
        if variant not in POOLING:
            raise ArgumentError(f"LeNet5: variant should be 'modern' or 'classic', not {variant!r}")
        if input_size not in (28, 32):
            raise ArgumentError(f"LeNet5: input_size should be 28 or 32, not {input_size!r}")
        self.variant = variant
        self.input_shape = (input_size, input_size, in_channels)
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=(32 - input_size) // 2)
        self.pool1 = POOLING[variant](2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool2 = POOLING[variant](2)
        self.flatten = nn.Flatten()
        self.dense1 = nn.Linear(400, 120)
        self.dense2 = nn.Linear(120, 84)
        self.dense3 = nn.Linear(84, num_classes)

    def forward(self, x):
        """Images (N, H, W, C) → logits (N, num_classes)."""
        activation = ACTIVATION[self.variant]
        x = nn.chain(x, self.conv1, activation, self.pool1)
        x = nn.chain(x, self.conv2, activation, self.pool2, self.flatten)
        return nn.chain(x, self.dense1, activation, self.dense2, activation, self.dense3)
