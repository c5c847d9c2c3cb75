"""The benchmarked networks as a user of PyTorch would write them; only imported where PyTorch is."""

import torch
from torch import nn

from benchmarks.pytorch import as_in_pytorch

__all__ = ["crnn", "lenet5", "mnist_convolutional", "resnet18", "resnet50", "vgg16"]


def lenet5():
    """`tinynet.models.LeNet5` for images of 28 × 28."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        nn.Flatten(),
        *(nn.Linear(400, 120), nn.ReLU(inplace=True)),
        *(nn.Linear(120, 84), nn.ReLU(inplace=True)),
        nn.Linear(84, 10),
    )


def mnist_convolutional():
    """`tinynet.models.MnistConv`."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(inplace=True)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(inplace=True)),
        *(nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten()),
        *(nn.Linear(9216, 128), nn.ReLU(inplace=True), nn.Dropout(0.5)),
        nn.Linear(128, 10),
    )


def vgg16(classes=2, inputs=512):
    """`tinynet.models.VGG16`, as it is for images of 50 × 50; `inputs` are those of its first dense layer."""
    layers, channels = [], 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        *(nn.Linear(inputs, 4096), nn.ReLU(inplace=True)),
        *(nn.Linear(4096, 4096), nn.ReLU(inplace=True)),
        nn.Linear(4096, classes),
    )


class _BasicBlock(nn.Module):
    def __init__(self, in_channels, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut = None
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x):
        y = torch.relu_(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        y += x if self.shortcut is None else self.shortcut(x)
        return torch.relu_(y)


def resnet18(classes=10):
    """`tinynet.models.ResNet18` for images of 32 × 32."""
    layers, channels = [], 64
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            layers.append(_BasicBlock(channels, width, stride=2 if stage and not block else 1))
            channels = width
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)),
        *layers,
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(512, classes),
    )


class _BottleneckBlock(nn.Module):
    def __init__(self, in_channels, narrow, stride):
        super().__init__()
        channels = 4 * narrow
        self.conv1 = nn.Conv2d(in_channels, narrow, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(narrow)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(narrow)
        self.conv3 = nn.Conv2d(narrow, channels, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(channels)
        self.shortcut = None
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x):
        y = torch.relu_(self.norm1(self.conv1(x)))
        y = torch.relu_(self.norm2(self.conv2(y)))
        y = self.norm3(self.conv3(y))
        y += x if self.shortcut is None else self.shortcut(x)
        return torch.relu_(y)


def resnet50(classes=1000):
    """`tinynet.models.ResNet50`."""
    layers, channels = [], 64
    for stage, (width, count) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(count):
            layers.append(_BottleneckBlock(channels, width, stride=2 if stage and not block else 1))
            channels = 4 * width
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)),
        nn.MaxPool2d(3, 2, padding=1),
        *layers,
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(2048, classes),
    )


class _CRNN(nn.Module):
    def __init__(self, classes, hidden):
        super().__init__()
        sizes = [(1, 64), (64, 128), (128, 256), (256, 256), (256, 512), (512, 512)]
        for number, (inputs, outputs) in enumerate(sizes, start=1):
            setattr(self, f"conv{number}", nn.Conv2d(inputs, outputs, 3, padding=1))
        self.conv7 = nn.Conv2d(512, 512, 2)
        self.norm5, self.norm6 = nn.BatchNorm2d(512), nn.BatchNorm2d(512)
        self.recurrent = nn.LSTM(512, hidden, num_layers=2, batch_first=True, bidirectional=True)
        self.dense = nn.Linear(2 * hidden, classes)

    def forward(self, x):
        pool = nn.functional.max_pool2d
        x = pool(torch.relu_(self.conv1(x)), 2)
        x = pool(torch.relu_(self.conv2(x)), 2)
        x = torch.relu_(self.conv3(x))
        x = pool(torch.relu_(self.conv4(x)), (2, 1))
        x = torch.relu_(self.norm5(self.conv5(x)))
        x = pool(torch.relu_(self.norm6(self.conv6(x))), (2, 1))
        x = torch.relu_(self.conv7(x)).squeeze(2).transpose(1, 2)
        return self.dense(self.recurrent(x)[0])


def crnn(weights, classes=63, hidden=128):
    """`tinynet.models.CRNN` with these weights and statistics of ours, a dictionary of arrays."""
    model = _CRNN(classes, hidden)
    model.load_state_dict({name: as_in_pytorch(array) for name, array in weights.items()}, strict=False)
    return model
