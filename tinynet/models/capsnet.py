"""The capsule network for handwritten digits.

Source: S. Sabour, N. Frosst, G. Hinton, "Dynamic Routing Between Capsules", NeurIPS 2017.
"""

from typing import NamedTuple

from tinynet import functional as F
from tinynet import nn
from tinynet.autograd import Tensor, as_tensor
from tinynet.errors import ArgumentError
from tinynet.nn.arguments import count

__all__ = ["CapsNet", "CapsNetOutput"]

RECONSTRUCTION_WEIGHT = 0.0005  # of the squared error of one pixel


class CapsNetOutput(NamedTuple):
    """What a `CapsNet` gives in training; in inference it gives the lengths alone.

    Attributes:
        lengths: of the capsules of the classes, (N, num_classes).
        capsules: these capsules, (N, num_classes, 16).
        images: what the network saw, (N, H, W, C), which the decoder is to draw again.
    """

    lengths: Tensor
    capsules: Tensor
    images: Tensor

    @property
    def scores(self):
        """What metrics read: the lengths."""
        return self.lengths


class CapsNet(nn.Module):
    """A convolution, primary capsules, one routed capsule for each class: 8,215,568 parameters for MNIST.

    =========  ==========================================  ===========
    layer      what                                        output
    =========  ==========================================  ===========
    conv       256 channels of 9 × 9, ReLU                 20, 20, 256
    primary    32 capsules of 8 at each place, stride 2    1152, 8
    digits     routing, 3 iterations                       10, 16
    decoder    dense: 512, 1024, 784; ReLU, sigmoid        28, 28, 1
    =========  ==========================================  ===========

    The length of a class's capsule, between 0 and 1, tells whether the class is there. The decoder draws the
    image from the capsule of one class, in training that of the label, at inference the longest; its squared
    error is part of the loss. The pixels of images lie between 0 and 1::

        trainer = tn.Trainer(model, optimizer, model.loss)

    Args:
        num_classes: the number of classes.
        in_channels: the number C of channels of an image.
        input_size: the height and width of the images.
        width: a factor for the 256 channels and the 32 capsules; with 0.25 there are 2,117,072 parameters.
        kernel_size: of both convolutions.
        iterations: of the routing.
        through_coefficients: whether gradients go through the coefficients of the routing.

    Raises:
        ArgumentError: the images are too small for two such convolutions, the width is not above 0, or a
            number is not an integer of at least 1.
    """

    input_shape = (28, 28, 1)

    def __init__(
        self,
        num_classes=10,
        in_channels=1,
        input_size=28,
        width=1.0,
        kernel_size=9,
        iterations=3,
        through_coefficients=True,
    ):
        input_size = count(self, "input_size", input_size)
        kernel_size = count(self, "kernel_size", kernel_size)
        places = (input_size - 2 * (kernel_size - 1) - 1) // 2 + 1
        if places < 1:
            raise ArgumentError(
                f"CapsNet: input_size should be at least {2 * kernel_size - 1} for two convolutions with "
                f"kernel_size {kernel_size}, not {input_size}"
            )
        if not width > 0:
            raise ArgumentError(f"CapsNet: width should be above 0, not {width!r}")
        self.input_shape = (input_size, input_size, in_channels)
        channels, capsules = max(1, round(256 * width)), max(1, round(32 * width))
        self.conv = nn.Conv2d(in_channels, channels, kernel_size)
        self.primary = nn.PrimaryCapsules(channels, capsules, 8, kernel_size, stride=2)
        self.digits = nn.RoutedCapsules(
            places * places * capsules, 8, num_classes, 16, iterations, through_coefficients
        )
        self.decoder = nn.Sequential(
            nn.Linear(num_classes * 16, 512),
            nn.ReLU(),
            nn.Linear(512, 1024),
            nn.ReLU(),
            nn.Linear(1024, input_size * input_size * in_channels),
            nn.Sigmoid(),
        )

    def forward(self, x):
        """Images (N, H, W, C) → lengths (N, num_classes), in training a `CapsNetOutput`."""
        x = as_tensor(x)
        capsules = self.capsules(x)
        lengths = F.capsule_lengths(capsules)
        return CapsNetOutput(lengths, capsules, x) if self.training else lengths

    def capsules(self, x):
        """Images (N, H, W, C) → the capsules of the classes (N, num_classes, 16)."""
        return self.digits(self.primary_capsules(x))

    def primary_capsules(self, x):
        """Images (N, H, W, C) → what is routed, (N, places · capsules, 8)."""
        return nn.chain(x, self.conv, F.relu, self.primary)

    def reconstruct(self, capsules, labels=None):
        """Draws images (N, H, W, C) from the capsules of the labels (N,), or from the longest ones."""
        pixels = self.decoder(F.mask_capsules(capsules, labels))
        return F.reshape(pixels, (pixels.shape[0], *self.input_shape))

    def loss(self, output, labels):
        """Margin loss and, in training, 0.0005 times the squared error of the drawing; a mean over samples.

        Args:
            output: a `CapsNetOutput`, or lengths (N, num_classes) alone.
            labels: (N,) integers.
        """
        if not isinstance(output, CapsNetOutput):
            return F.margin_loss(output, labels)
        drawn = self.reconstruct(output.capsules, labels)
        squared = F.mse_loss(drawn, output.images, reduction="sum") / max(len(output.images), 1)
        return F.margin_loss(output.lengths, labels) + RECONSTRUCTION_WEIGHT * squared
