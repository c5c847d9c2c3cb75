"""DenseNet on handwritten digits."""

from tinynet import models, optim
from tinynet.recipes.base import Figure, Recipe, Settings

__all__ = ["MNIST_DENSENET"]


def _model(input_shape, num_classes):
    return models.create_for("mnist-densenet", input_shape, num_classes=num_classes)


def _adamw(parameters, learning_rate):
    return optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01)


def _one_cycle(optimizer, learning_rate, total_steps):
    return optim.OneCycleLR(optimizer, max_lr=learning_rate, total_steps=total_steps)


MNIST_DENSENET = Recipe(
    name="mnist-densenet",
    title="DenseNet of three blocks, growth 12",
    source="Articles on deep learning research papers, Densely Connected Convolutional Networks",
    settings={
        "mnist": Settings(epochs=3, batch_size=128, learning_rate=1e-2),
        "fashion-mnist": Settings(epochs=5, batch_size=128, learning_rate=1e-2),
    },
    figures=(Figure("test_accuracy", 0.993, "goal of this project", data="mnist"),),
    model=_model,
    optimizer=_adamw,
    schedule=_one_cycle,
)
