"""Networks for CIFAR-10: residual and plain ones, Network in Network, GoogLeNet on small images.

By default they train for minutes, on a cycle of the learning rate that brings much of the accuracy in few
epochs; at the documented size, as the paper of the residual networks trains.
"""

from dataclasses import replace

from tinynet import models, optim
from tinynet.data import Compose, RandomCrop, RandomHorizontalFlip
from tinynet.recipes.base import Figure, Pixels, Recipe, Settings
from tinynet.recipes.parts import model_named, momentum, one_cycle

__all__ = ["GOOGLENET", "NIN", "PLAIN_20", "RESNET_20", "residual_recipe"]

# Of the training images of CIFAR-10, for each colour.
PIXELS = Pixels(mean=(0.4914, 0.4822, 0.4465), deviation=(0.2470, 0.2435, 0.2616))
AUGMENTATION = Compose(RandomCrop(32, padding=4), RandomHorizontalFlip())


def _two_drops(optimizer, _learning_rate, total_steps):
    """A tenth of the rate after half of the steps, and a hundredth after three quarters (section 4.2)."""
    return optim.MultiStepLR(optimizer, [total_steps // 2, total_steps * 3 // 4])


def _settings(epochs, learning_rate):
    """The part with JPEG losses has a fifth of the images, and so takes five times as many epochs."""
    return {
        "cifar10": Settings(epochs, 128, learning_rate),
        "cifar10-jpeg": Settings(5 * epochs, 128, learning_rate),
    }


def _with_full_size(recipe, **changes):
    """The recipe, and at the documented size the training of the residual networks' paper."""
    full = replace(recipe, optimizer=momentum(1e-4), schedule=_two_drops, **changes)
    return replace(recipe, full=full)


def residual_recipe(kind, depth, parameters, accuracy=None):
    """The training of a residual or plain network.

    Args:
        kind: ``"resnet"`` or ``"plain"``.
        depth: how many layers with weights it has, as in the names of the models.
        parameters: how many parameters it must have.
        accuracy: what the paper reaches, None where it gives no number.
    """
    origin = "He et al., Deep Residual Learning, table 6"
    figures = [Figure("parameters", parameters, f"{origin}: {parameters / 1e6:.2f} M")]
    if accuracy is not None:
        figures.append(Figure("test_accuracy", accuracy, origin, data="cifar10"))
    title = f"{'Residual' if kind == 'resnet' else 'Plain'} network of {depth} layers, CIFAR-10"
    recipe = Recipe(
        name=f"{kind}{depth}",
        title=title,
        source="He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, section 4.2",
        settings=_settings(epochs=4, learning_rate=0.2),
        figures=tuple(figures),
        model=model_named(f"{kind}{depth}"),
        optimizer=momentum(5e-4),
        schedule=one_cycle,
        pixels=PIXELS,
        augmentation=AUGMENTATION,
    )
    return _with_full_size(recipe, settings=_settings(epochs=164, learning_rate=0.1))


RESNET_20 = residual_recipe("resnet", 20, 269_722, 0.9125)
PLAIN_20 = residual_recipe("plain", 20, 269_722)

NIN = _with_full_size(
    Recipe(
        name="nin",
        title="Network in Network, CIFAR-10",
        source="Lin, Chen, Yan, Network in Network, section 4.2",
        settings=_settings(epochs=2, learning_rate=0.05),
        figures=(
            Figure("parameters", 966_986, "Lin et al., Network in Network"),
            Figure("test_accuracy", 0.9119, "Lin et al., table 1, with augmentation", data="cifar10"),
        ),
        model=model_named("nin"),
        optimizer=momentum(5e-4),
        schedule=one_cycle,
        pixels=PIXELS,
        augmentation=AUGMENTATION,
    ),
    settings=_settings(epochs=230, learning_rate=0.1),
)

GOOGLENET = _with_full_size(
    Recipe(
        name="googlenet",
        title="GoogLeNet with two auxiliary heads, CIFAR-10; a quarter of the width unless at full size",
        source="Szegedy et al., Going Deeper with Convolutions",
        settings=_settings(epochs=3, learning_rate=0.1),
        figures=(),
        model=model_named("googlenet", stem="cifar", normalization="batch", width=0.25),
        optimizer=momentum(5e-4),
        schedule=one_cycle,
        loss=models.auxiliary_loss,
        pixels=PIXELS,
        augmentation=AUGMENTATION,
    ),
    settings=_settings(epochs=164, learning_rate=0.1),
    model=model_named("googlenet", stem="cifar", normalization="batch"),
)
