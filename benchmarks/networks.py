"""The networks whose training is measured, in tinynet and, from the same weights, in PyTorch."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

import tinynet as tn
from benchmarks.place import here, theirs
from benchmarks.pytorch import as_in_pytorch, channels_first, torch

__all__ = ["NETWORKS", "Network", "resnet50", "vgg16"]


@dataclass(frozen=True)
class Network:
    """A network and the batches on which its training is measured.

    Attributes:
        name: as it stands in tables and pictures.
        batch_size: images in a batch.
        image_shape: (H, W, C).
        classes: how many.
        build: makes the model in tinynet.
        twin: the name of the function of `benchmarks.pytorch_twins` that makes the same in PyTorch.
        flattened: the shape (H, W, C) of what the first dense layer gets flattened, if that is more than
            one pixel.
        twin_options: what that function is given.
    """

    name: str
    batch_size: int
    image_shape: tuple
    classes: int
    build: Callable
    twin: str
    flattened: tuple | None = None
    twin_options: dict = field(default_factory=dict)

    def batch(self):
        """Random images (N, H, W, C), float32, and labels (N,), int64: the same on every call."""
        generator = np.random.default_rng(1)
        images = generator.standard_normal((self.batch_size, *self.image_shape), dtype=np.float32)
        return images, generator.integers(self.classes, size=self.batch_size)

    def in_tinynet(self):
        """The model, its weights the same on every call."""
        tn.manual_seed(0)
        return here(self.build())

    def in_pytorch(self, model, memory_format):
        """The twin in PyTorch, with the weights of `model`, in one of PyTorch's memory formats."""
        from benchmarks import pytorch_twins

        twin = getattr(pytorch_twins, self.twin)(**self.twin_options)
        weights = [parameter.numpy() for parameter in model.parameters()]
        first_dense = next(index for index, weight in enumerate(weights) if weight.ndim == 2)
        with torch.no_grad():
            for index, pair in enumerate(zip(twin.parameters(), weights, strict=True)):
                parameter, weight = pair
                parameter.copy_(as_in_pytorch(weight, self.flattened if index == first_dense else None))
        return here(twin.to(memory_format=memory_format))

    def batch_in_pytorch(self, memory_format):
        """The same `batch` as PyTorch's tensors."""
        images, labels = self.batch()
        return channels_first(images, memory_format), theirs(labels)


NETWORKS = {
    network.name: network
    for network in (
        Network(
            *("LeNet-5, batch 128", 128, (28, 28, 1), 10),
            lambda: tn.models.LeNet5(input_size=28),
            "lenet5",
            flattened=(5, 5, 16),
        ),
        Network(
            *("B3, batch 128", 128, (28, 28, 1), 10),
            lambda: tn.models.MnistConv(),
            "mnist_convolutional",
            flattened=(12, 12, 64),
        ),
        Network(
            *("VGG-16 50×50, batch 16", 16, (50, 50, 3), 2),
            lambda: tn.models.VGG16(num_classes=2, input_size=50),
            "vgg16",
        ),
        Network(
            *("ResNet-18 32×32, batch 32", 32, (32, 32, 3), 10),
            lambda: tn.models.ResNet18(num_classes=10, stem="cifar"),
            "resnet18",
        ),
    )
}


def vgg16(batch_size, size, classes=1000):
    """VGG-16 for images of `size` × `size`, a multiple of 32."""
    final = size // 32
    return Network(
        *(f"VGG-16 {size}×{size}, batch {batch_size}", batch_size, (size, size, 3), classes),
        lambda: tn.models.VGG16(num_classes=classes, input_size=size),
        "vgg16",
        flattened=(final, final, 512),
        twin_options={"classes": classes, "inputs": final * final * 512},
    )


def resnet50(batch_size, size, classes=1000):
    """ResNet-50 for images of `size` × `size`."""
    return Network(
        *(f"ResNet-50 {size}×{size}, batch {batch_size}", batch_size, (size, size, 3), classes),
        lambda: tn.models.ResNet50(num_classes=classes),
        "resnet50",
        twin_options={"classes": classes},
    )
