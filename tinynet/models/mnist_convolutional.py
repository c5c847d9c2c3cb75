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
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.dropout1(self.pool(x))
        x = F.relu(self.dense1(self.flatten(x)))
        return self.dense2(self.dropout2(x))


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
        x = self.pool(F.relu(self.conv(x)))
        x = F.relu(self.dense1(self.flatten(x)))
        return self.dense2(x)
