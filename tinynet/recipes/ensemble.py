"""Ensembles, and ten crops at test time: asking several networks, or one about several parts of an image.

Source: A. Ng, course notes on convolutional networks, State of computer vision: tips for doing well on
benchmarks. The ten crops are those of A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with
Deep Convolutional Neural Networks", NIPS 2012, section 4.1.
"""

import csv

import numpy as np

import tinynet as tn
from tinynet import functional as F
from tinynet.data import ImageSplit
from tinynet.errors import MissingExtraError
from tinynet.inspection.figures import new_figure, save_figure
from tinynet.recipes import data as data_sets
from tinynet.recipes.base import Figure, Settings, Study
from tinynet.recipes.cifar import AUGMENTATION, PIXELS
from tinynet.recipes.parts import adamw, model_named, one_cycle
from tinynet.training import Trainer
from tinynet.training.ensembles import Ensemble, TenCrop, ensemble_accuracy

__all__ = ["ENSEMBLE"]

MEMBERS = 4
# Images are framed by so many pixels, so that there is something to crop.
BORDER = 2
VIEWS = ("one view", "ten crops")


def _conduct(work):
    """Trains networks that differ in their seeds, and asks each alone and all together, in both ways."""
    data = data_sets.load(work.settings["data"])
    train, test = (data_sets.prepare(split, PIXELS) for split in (data.train, data.test))
    members = [_member(work, train, len(data.class_names), number) for number in range(MEMBERS)]
    size = test.images.shape[1:3]
    cropped = Ensemble([TenCrop(member, size) for member in members])
    found = (
        ensemble_accuracy(Ensemble(members), *test),
        ensemble_accuracy(cropped, *_framed(test)),
    )
    for view, accuracy in zip(VIEWS, found, strict=True):
        alone = ", ".join(f"{share:.2%}" for share in accuracy.members)
        work.say(f"{view}: each {alone}; together {accuracy.ensemble:.2%}")
    _write_table(work.folder / "ensemble.csv", found)
    try:
        _draw(work.folder / "ensemble.png", found)
    except MissingExtraError as error:
        work.say(f"no picture: {error}")
    return _results(*found)


def _member(work, train, num_classes, number):
    """One network of the ensemble: its weights, its batches and its augmentation follow from its own seed."""
    seed = work.settings["seed"] + number
    tn.manual_seed(seed)
    model = model_named("lenet5")(train.images.shape[1:], num_classes)
    rate = work.settings["learning_rate"]
    steps = work.settings["epochs"] * -(-len(train) // work.settings["batch_size"])
    optimizer = adamw(0.05)(model.parameters(), rate)
    schedule = one_cycle(optimizer, rate, steps)
    trainer = Trainer(model, optimizer, F.cross_entropy, schedule=schedule, schedule_every="batch")
    work.fit(trainer, train.dataset(AUGMENTATION), seed=seed)
    work.say(f"network {number + 1} of {MEMBERS} is trained")
    return model


def _framed(split):
    """Images with a border of zeros, which are the mean colour, as the augmentation pads them."""
    border = (BORDER, BORDER)
    return ImageSplit(np.pad(split.images, ((0, 0), border, border, (0, 0))), split.labels)


def _results(one_view, ten_crops):
    alone, cropped = (float(np.mean(accuracy.members)) for accuracy in (one_view, ten_crops))
    return {
        "accuracy_of_a_member": alone,
        "accuracy_of_the_ensemble": one_view.ensemble,
        "accuracy_gained_by_the_ensemble": one_view.gain,
        "accuracy_of_a_member_with_ten_crops": cropped,
        "accuracy_gained_by_ten_crops": cropped - alone,
        "accuracy_of_the_ensemble_with_ten_crops": ten_crops.ensemble,
    }


def _write_table(path, found):
    names = [*(str(number + 1) for number in range(MEMBERS)), "together"]
    columns = [[*accuracy.members, accuracy.ensemble] for accuracy in found]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("network", *VIEWS), *zip(names, *columns, strict=True)])


def _draw(path, found):
    """A pair of bars for each network and for all together, above the worst of them."""
    figure = new_figure(1.1 * (MEMBERS + 2), 3.6)
    axes = figure.subplots()
    places = np.arange(MEMBERS + 1)
    for offset, view, accuracy in zip((-0.2, 0.2), VIEWS, found, strict=True):
        heights = 100 * np.array([*accuracy.members, accuracy.ensemble])
        bars = axes.bar(places + offset, heights, 0.38, label=view)
        axes.bar_label(bars, fmt="%.1f", fontsize=8)
    shares = [share for accuracy in found for share in (*accuracy.members, accuracy.ensemble)]
    room = max(max(shares) - min(shares), 0.01)
    axes.set_ylim(100 * max(min(shares) - room, 0), 100 * (max(shares) + room / 2))
    axes.set_xticks(places, [*(f"network {number + 1}" for number in range(MEMBERS)), "together"])
    axes.set_ylabel("test accuracy, %")
    axes.legend(loc="upper left", ncols=2)
    return save_figure(figure, path)


ENSEMBLE = Study(
    name="ensemble",
    title=f"{MEMBERS} LeNet-5 that answer together, and ten crops of each image, CIFAR-10",
    source="Ng, course notes on convolutional networks, State of computer vision",
    settings={"cifar10": Settings(4, 128, 4e-3), "cifar10-jpeg": Settings(12, 128, 4e-3)},
    figures=(
        Figure("accuracy_gained_by_the_ensemble", 0.02, "Ng: a push by 2 %"),
        Figure("accuracy_gained_by_ten_crops", 0.0, "Ng: a better result"),
    ),
    conduct=_conduct,
)
