"""AlexNet: five convolutions, three max poolings whose windows overlap, three dense layers.

Source: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional Neural
Networks", NIPS 2012.
"""

from tinynet import nn
from tinynet.errors import ArgumentError

__all__ = ["AlexNet"]

SMALLEST_INPUT = 67


class AlexNet(nn.Module):
    """AlexNet on one processor: 62,378,344 parameters for 1,000 classes.

    ========  ======================================  =============
    layer     what                                    227 × 227 × 3
    ========  ======================================  =============
    conv1     96 kernels of 11 × 11, stride 4         55, 55, 96
    pool1     maximum of 3 × 3, stride 2              27, 27, 96
    conv2     256 kernels of 5 × 5, same padding      27, 27, 256
    pool2     maximum of 3 × 3, stride 2              13, 13, 256
    conv3     384 kernels of 3 × 3, same padding      13, 13, 384
    conv4     384 kernels of 3 × 3, same padding      13, 13, 384
    conv5     256 kernels of 3 × 3, same padding      13, 13, 256
    pool5     maximum of 3 × 3, stride 2              6, 6, 256
    flatten                                           9,216
    dense6    4,096 units                             4,096
    dense7    4,096 units                             4,096
    dense8    num_classes                             num_classes
    ========  ======================================  =============

    ReLU follows every convolution and every hidden dense layer. The paper says 224 × 224; its own shapes
    come out with 227 × 227.

    Args:
        num_classes: the number of classes.
        in_channels: the number C of channels of an image.
        input_size: the height and width of the images, at least 67.
        towers: 1, or 2 for the paper's two processors: conv2, conv4 and conv5 see only the channels of their
            own tower, which leaves 60,965,224 parameters.
        local_response_norm: whether normalisation across channels follows conv1 and conv2 (section 3.3 of the
            paper).
        dropout: the probability with which outputs of the two hidden dense layers are dropped in training.

    Raises:
        ArgumentError: the images are too small, the number of towers is neither 1 nor 2, or dropout is no
            probability.
    """

    input_shape = (227, 227, 3)

    def __init__(
        self,
        num_classes=1000,
        in_channels=3,
        input_size=227,
        towers=1,
        local_response_norm=False,
        dropout=0.5,
    ):
        if input_size < SMALLEST_INPUT:
            raise ArgumentError(
                f"AlexNet: input_size should be at least {SMALLEST_INPUT}, not {input_size!r}"
            )
        if towers not in (1, 2):
            raise ArgumentError(f"AlexNet: towers should be 1 or 2, not {towers!r}")
        self.input_shape = (input_size, input_size, in_channels)
        self.features = make_features(in_channels, towers, local_response_norm)
        self.classifier = make_classifier(256 * final_size(input_size) ** 2, num_classes, dropout)

    def forward(self, x):
        """Images (N, H, W, C) → logits (N, num_classes)."""
        return self.classifier(self.features(x))


def make_features(in_channels, towers, local_response_norm):
    """The layers up to pool5: (N, 227, 227, in_channels) → (N, 6, 6, 256)."""
    layers = {
        "conv1": nn.Conv2d(in_channels, 96, 11, stride=4),
        "relu1": nn.ReLU(),
        "norm1": make_norm(),
        "pool1": nn.MaxPool2d(3, stride=2),
        "conv2": nn.Conv2d(96, 256, 5, padding="same", groups=towers),
        "relu2": nn.ReLU(),
        "norm2": make_norm(),
        "pool2": nn.MaxPool2d(3, stride=2),
        "conv3": nn.Conv2d(256, 384, 3, padding="same"),
        "relu3": nn.ReLU(),
        "conv4": nn.Conv2d(384, 384, 3, padding="same", groups=towers),
        "relu4": nn.ReLU(),
        "conv5": nn.Conv2d(384, 256, 3, padding="same", groups=towers),
        "relu5": nn.ReLU(),
        "pool5": nn.MaxPool2d(3, stride=2),
    }
    if not local_response_norm:
        del layers["norm1"], layers["norm2"]
    return nn.Sequential(layers)


def make_norm():
    """The paper's k = 2, n = 5, α = 10⁻⁴, β = 0.75; its α multiplies a sum, the layer's the mean of n."""
    return nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)


def final_size(input_size):
    """The height and width of what pool5 gives."""
    size = (input_size - 11) // 4 + 1
    for _ in range(3):
        size = (size - 3) // 2 + 1
    return size


def make_classifier(features, num_classes, dropout):
    """(N, H, W, C) with H · W · C = features → (N, num_classes)."""
    return nn.Sequential(
        {
            "flatten": nn.Flatten(),
            "dropout6": nn.Dropout(dropout),
            "dense6": nn.Linear(features, 4096),
            "relu6": nn.ReLU(),
            "dropout7": nn.Dropout(dropout),
            "dense7": nn.Linear(4096, 4096),
            "relu7": nn.ReLU(),
            "dense8": nn.Linear(4096, num_classes),
        }
    )
