"""Transfer learning: a MobileNet that was trained on ImageNet tells cats from dogs.

Source: A. Ng, course notes on convolutional networks, Transfer learning: with little data, freeze all
layers, keep their outputs on disk and train a shallow network on them; with more, train the last layers on.
"""

import copy
import csv

import numpy as np

from tinynet import functional as F
from tinynet import models, nn, optim
from tinynet.data import load_cats_dogs
from tinynet.data.files import locate, not_found
from tinynet.recipes.base import Figure, Settings, Study
from tinynet.training import Trainer
from tinynet.training.transfer import FeatureCache, LogisticRegression, folds_of, freeze

__all__ = ["TRANSFER"]

WEIGHTS = "mobilenet-v1-0.25-224-tfjs"
SIZE = 224
FOLDS = 5
# The features of the last layer, and those that the last two blocks, which are trained on, start from.
LAST, MIDDLE = "network.pool", "network.blocks.10"
TRAINED_BLOCKS = 2


def _conduct(work):
    """Five-fold cross-validation, with all layers frozen and with the last two blocks trained on."""
    model = _pretrained()
    data = load_cats_dogs(SIZE, dtype=np.uint8)
    images = np.concatenate([data.train.images, data.test.images])
    labels = np.concatenate([data.train.labels, data.test.labels])
    network = nn.Sequential({"scale": nn.Lambda(_from_minus_one, "0..1 to -1..1"), "network": model})

    def features(layer, mirrored=False):
        name = layer.replace(".", "-") + ("-mirrored" if mirrored else "")
        shown = images[:, :, ::-1] if mirrored else images
        return FeatureCache(work.folder / f"{name}.safetensors").features(network, shown, layer)

    last, middle, mirrored = features(LAST), features(MIDDLE), features(MIDDLE, mirrored=True)
    rows = []
    for fold, (learnt, tested) in enumerate(folds_of(labels, FOLDS, work.settings["seed"])):
        shallow = LogisticRegression().fit(last[learnt], labels[learnt])
        frozen = shallow.accuracy(last[tested], labels[tested])
        tail = _tail(model, shallow.network)
        samples = np.concatenate([middle[learnt], mirrored[learnt]])
        trainer = _fine_tune(work, tail, samples, np.tile(labels[learnt], 2))
        tuned = trainer.evaluate(middle[tested], labels[tested])["accuracy"]
        work.say(f"fold {fold + 1}: frozen {frozen:.2%}, last blocks trained on {tuned:.2%}")
        rows.append((fold + 1, frozen, tuned))
    with open(work.folder / "folds.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("fold", "frozen", "fine-tuned"), *rows])
    _, frozen, tuned = np.mean(rows, axis=0)
    return {
        "frozen_accuracy": float(frozen),
        "fine_tuned_accuracy": float(tuned),
        "gain_by_fine_tuning": float(tuned - frozen),
    }


def _pretrained():
    path = locate("weights", WEIGHTS)
    if path is None:
        advice = "It is a TensorFlow.js layers-model of MobileNet v1, width 0.25, for images of 224 × 224."
        raise not_found("weights", [WEIGHTS], advice)
    return models.pretrained("mobilenet-v1", path).model


def _from_minus_one(x):
    return x * 2.0 - 1.0


def _tail(model, head):
    """The last blocks with a new head. Their batch norms keep the statistics of ImageNet."""
    blocks = [copy.deepcopy(block) for block in list(model.blocks)[-TRAINED_BLOCKS:]]
    tail = nn.Sequential(*blocks, nn.GlobalAvgPool2d(), nn.Linear(*head.weight.shape))
    tail[-1].load_state_dict(head.state_dict())
    for module in tail.modules():
        if isinstance(module, nn.BatchNorm2d):
            freeze(module)
    return tail


def _fine_tune(work, tail, samples, labels):
    """Trains the tail on the features that it starts from. Returns its trainer."""
    rate = work.settings["learning_rate"]
    optimizer = optim.SGD(tail.parameters(), lr=rate, momentum=0.9, weight_decay=1e-3)
    trainer = Trainer(tail, optimizer, F.cross_entropy, ["accuracy"])
    work.fit(trainer, samples, labels)
    return trainer


TRANSFER = Study(
    name="transfer",
    title="MobileNet v1 0.25 from ImageNet to cats and dogs, five-fold cross-validation",
    source="Ng, course notes on convolutional networks, Transfer learning",
    settings={"cats-dogs": Settings(epochs=4, batch_size=32, learning_rate=2e-5)},
    figures=(Figure("frozen_accuracy", 0.935, "goal of this project"),),
    conduct=_conduct,
)
