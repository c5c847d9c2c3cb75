"""Two convolutional networks for MNIST."""

from tinynet import functional as F
from tinynet import nn

__all__ = ["MnistConv", "MnistConv5"]


class MnistConv(nn.Module):
    """Two convolutions of 3 × 3, max pooling, two dense layers, dropout: 1,199,882 parameters."""

    input_shape = (28, 28, 1)

    def __init__(self, num_classes=10):
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.pool = nn.MaxPool2d(2)
        self.dropout1 = nn.Dropout(0.25)
        self.flatten = nn.Flatten()
        self.dense1 = nn.Linear(9216, 128)
        self.dropout2 = nn.Dropout(0.5)
        self.dense2 = nn.Linear(128, num_classes)

    def forward(self, x):
        """Images (N, 28, 28, 1) → logits (N, num_classes)."""
        x = nn.chain(x, self.conv1, F.relu, self.conv2, F.relu, self.pool, self.dropout1)
        return nn.chain(x, self.flatten, self.dense1, F.relu, self.dropout2, self.dense2)


class MnistConv5(nn.Module):
    """One convolution of 5 × 5, max pooling, two dense layers: 924,374 parameters."""

    input_shape = (28, 28, 1)

    def __init__(self, num_classes=10):
        self.conv = nn.Conv2d(1, 64, 5)
        self.pool = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.dense1 = nn.Linear(9216, 100)
        self.dense2 = nn.Linear(100, num_classes)

    def forward(self, x):
        """Images (N, 28, 28, 1) → logits (N, num_classes)."""
        x = nn.chain(x, self.conv, F.relu, self.pool)
        return nn.chain(x, self.flatten, self.dense1, F.relu, self.dense2)
