"""DenseNet on handwritten digits."""

from tinynet.recipes.base import Figure, Recipe, Settings
from tinynet.recipes.parts import adamw, model_named, one_cycle

__all__ = ["MNIST_DENSENET"]


MNIST_DENSENET = Recipe(
    name="mnist-densenet",
    title="DenseNet of three blocks, growth 12",
    source="Articles on deep learning research papers, Densely Connected Convolutional Networks",
    settings={
        "mnist": Settings(epochs=3, batch_size=128, learning_rate=1e-2),
        "fashion-mnist": Settings(epochs=5, batch_size=128, learning_rate=1e-2),
    },
    figures=(Figure("test_accuracy", 0.993, "goal of this project", data="mnist"),),
    model=model_named("mnist-densenet"),
    optimizer=adamw(0.01),
    schedule=one_cycle,
)
