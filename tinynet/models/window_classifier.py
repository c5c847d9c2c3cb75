"""The classifier of windows that is slid over images, in the lecture on convolutional sliding windows.

Source: A. Ng, "Convolutional Neural Networks", week 3, convolutional implementation of sliding windows, after
P. Sermanet et al., "OverFeat", ICLR 2014.
"""

from tinynet import nn

__all__ = ["WindowClassifier"]


class WindowClassifier(nn.Module):
    """One convolution, one pooling, three dense layers, for windows of 14 × 14 pixels: 323,620 parameters.

    ========  ===========  ============================
    layer     14 × 14 × 3  `nn.fully_convolutional`
    ========  ===========  ============================
    conv      10, 10, 16   the same
    pool      5, 5, 16     the same
    flatten   400
    dense1    400          5 × 5 convolution, 1, 1, 400
    dense2    400          1 × 1 convolution, 1, 1, 400
    dense3    classes      1 × 1 convolution, 1, 1, classes
    ========  ===========  ============================

    Nothing pads, and everything moves by one pixel but the pooling, by two: slid over an image of 16 × 16 it
    has 2 × 2 places, over one of 28 × 28 it has 8 × 8.

    Args:
        num_classes: the number of classes.
        in_channels: the number C of channels of an image.
    """

    input_shape = (14, 14, 3)

    def __init__(self, num_classes=4, in_channels=3):
        self.input_shape = (14, 14, in_channels)
        self.features = nn.Sequential(
            {"conv": nn.Conv2d(in_channels, 16, 5), "relu": nn.ReLU(), "pool": nn.MaxPool2d(2)}
        )
        self.classifier = nn.Sequential(
            {
                "flatten": nn.Flatten(),
                "dense1": nn.Linear(400, 400),
                "relu1": nn.ReLU(),
                "dense2": nn.Linear(400, 400),
                "relu2": nn.ReLU(),
                "dense3": nn.Linear(400, num_classes),
            }
        )

    def forward(self, x):
        """Windows (N, 14, 14, C) → logits (N, num_classes)."""
        return self.classifier(self.features(x))
