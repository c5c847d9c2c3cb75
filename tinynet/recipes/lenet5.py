"""LeNet-5 on handwritten digits."""

from tinynet import functional as F
from tinynet.recipes.base import Figure, Recipe, Settings
from tinynet.recipes.parts import adamw, model_named, one_cycle

__all__ = ["LENET5"]


def _loss(logits, labels):
    return F.cross_entropy(logits, labels, label_smoothing=0.1)


LENET5 = Recipe(
    name="lenet5",
    title="LeNet-5 (1998), modern variant: maximum pooling and ReLU",
    source="Ng, course notes on convolutional networks, Classic networks",
    settings={
        "digits": Settings(epochs=20, batch_size=32, learning_rate=8e-3),
        "mnist": Settings(epochs=10, batch_size=128, learning_rate=4e-3),
        "fashion-mnist": Settings(epochs=15, batch_size=128, learning_rate=4e-3),
    },
    figures=(
        Figure("parameters", 61_706, "Ng (about 60 k)"),
        Figure("test_accuracy", 0.98, "goal of this project", data="digits"),
        Figure("test_accuracy", 0.99, "goal of this project", data="mnist"),
    ),
    model=model_named("lenet5"),
    optimizer=adamw(0.3),
    schedule=one_cycle,
    loss=_loss,
)
