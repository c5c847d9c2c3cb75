"""Whether the fastest methods cost accuracy: the same training, planned ``fast`` and ``strict``.

    python -m benchmarks.accuracy [--epochs N] [--seeds 3] [--only NAME] [--json PATH]

Two networks on real images: B3 on MNIST, and ResNet-20 on 20,000 JPEG copies of CIFAR-10, half of them for
testing, or where these are missing on Fashion-MNIST. For each seed both plans start from the same weights and
see the same batches. See `tinynet_kernels.pinned` for what the plans are.
"""

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np

import tinynet as tn
from benchmarks.timing import machine, write_json
from tinynet import functional as F
from tinynet import optim
from tinynet_kernels import pinned

__all__ = ["EXPERIMENTS", "Experiment", "accuracy_of_run", "measure", "show"]

PLANS = ("fast", "strict")


@dataclass(frozen=True)
class Experiment:
    """A network, its data, and how it is trained.

    Attributes:
        build: the model, given the shape of an image and the number of classes.
        load: the data, a `tinynet.data.ImageData`.
        epochs, batch_size, learning_rate: of Adam, whose learning rate falls to 0 along a cosine.
    """

    name: str
    build: Callable
    load: Callable
    epochs: int
    batch_size: int
    learning_rate: float


def small_images():
    """The JPEG copies of CIFAR-10, or Fashion-MNIST if they are not there."""
    try:
        return tn.data.load_cifar10("jpeg")
    except tn.data.DataNotFoundError:
        return tn.data.load_fashion_mnist()


EXPERIMENTS = (
    Experiment(
        "B3 on MNIST",
        lambda image_shape, classes: tn.models.MnistConv(classes),
        tn.data.load_mnist,
        epochs=3,
        batch_size=200,
        learning_rate=1e-3,
    ),
    Experiment(
        "ResNet-20 on small images",
        lambda image_shape, classes: tn.models.ResNet20(classes, in_channels=image_shape[-1]),
        small_images,
        epochs=6,
        batch_size=128,
        learning_rate=2e-3,
    ),
)


def accuracy_of_run(experiment, data, plan, seed, epochs):
    """Trains from scratch; the fraction of the test images that come out right."""
    with pinned(plan):
        tn.manual_seed(seed)
        model = experiment.build(data.train.images.shape[1:], len(data.class_names))
        optimizer = optim.Adam(model.parameters(), lr=experiment.learning_rate)
        schedule = optim.CosineAnnealingLR(optimizer, epochs)
        trainer = tn.Trainer(model, optimizer, F.cross_entropy, metrics=["accuracy"], schedule=schedule)
        mean, deviation = pixel_statistics(data.train.images)
        x_train, x_test = ((split.images - mean) / deviation for split in (data.train, data.test))
        trainer.fit(
            x_train,
            data.train.labels,
            epochs=epochs,
            batch_size=experiment.batch_size,
            seed=seed,
            verbose=0,
        )
        return trainer.evaluate(x_test, data.test.labels)["accuracy"]


def pixel_statistics(images):
    """Mean and standard deviation of each channel, float32."""
    axes = tuple(range(images.ndim - 1))
    mean_and_deviation = images.mean(axes, dtype=np.float64), images.std(axes, dtype=np.float64)
    return [numbers.astype(images.dtype) for numbers in mean_and_deviation]


def measure(experiments, seeds, epochs=None):
    """Yields for each experiment its name, data, epochs, and the accuracies of each plan, seed by seed."""
    for experiment in experiments:
        data = experiment.load()
        count = epochs or experiment.epochs
        accuracies = {plan: [] for plan in PLANS}
        for seed in range(seeds):
            for plan in PLANS:
                accuracies[plan].append(accuracy_of_run(experiment, data, plan, seed, count))
        yield {"name": experiment.name, "data": data.name, "epochs": count, "accuracies": accuracies}


def show(results):
    """Prints each experiment as it arrives; returns a list of all."""
    shown = []
    for result in results:
        shown.append(result)
        print(f"{result['name']} ({result['data']}), {result['epochs']} epochs")
        for plan, accuracies in result["accuracies"].items():
            each = ", ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)
            spread = f" ± {100 * statistics.stdev(accuracies):.2f}" if len(accuracies) > 1 else ""
            print(f"  {plan:8}{100 * statistics.mean(accuracies):.2f}{spread} %   ({each})")
        print(f"  difference {_difference(**result['accuracies'])}", flush=True)
    return shown


def _difference(fast, strict):
    """Mean of the differences, seed by seed, with its standard error, in percent."""
    differences = [100 * (a - b) for a, b in zip(fast, strict, strict=True)]
    if len(differences) < 2:
        return f"{differences[0]:+.2f} %"
    error = statistics.stdev(differences) / sqrt(len(differences))
    return f"{statistics.mean(differences):+.2f} ± {error:.2f} %"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, help="instead of those of the experiments")
    parser.add_argument("--seeds", type=int, default=3, help="how many runs of each plan")
    parser.add_argument("--only", metavar="NAME", help="only the experiments with this in their name")
    parser.add_argument("--json", metavar="PATH", help="write the results to this file as well")
    options = parser.parse_args()
    experiments = [e for e in EXPERIMENTS if not options.only or options.only.lower() in e.name.lower()]
    results = show(measure(experiments, options.seeds, options.epochs))
    if options.json:
        write_json(options.json, {"machine": machine("tinynet", "numpy", "numba"), "experiments": results})


if __name__ == "__main__":
    main()
