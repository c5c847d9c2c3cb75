"""Every recipe and every study goes through on the device ``cuda``, from its data to its report.

Without a GPU the stand-in for CuPy takes its place, with the definitions of the kernels, which are quicker
than the emulation: what is found here is code that takes arrays on a GPU for arrays of NumPy.
"""

import dataclasses
from functools import partial

import numpy as np
import pytest

import cupy_stand_in
import tinynet_kernels
from small_data import small_digits, small_photographs
from tinynet import models, recipes
from tinynet.data import CATS_DOGS_CLASSES, CIFAR10_CLASSES
from tinynet.recipes import calibration, crnn, depths, ensemble, transfer
from tinynet.recipes import data as data_sets
from tinynet.recipes.arithmetic import counting, identity, operations, spoken_numbers, timekeeping

TRAININGS = [name for name in recipes.available() if isinstance(recipes.get(name), recipes.Recipe)]
STUDIES = [name for name in recipes.available() if name not in TRAININGS]
FIVE_STEPS = {
    identity: {"STEPS_PER_EPOCH": 5, "MODELS": 1},
    operations: {"STEPS_PER_EPOCH": 5, "SEEDS": 1},
    counting: {"STEPS_PER_EPOCH": 1, "TEST_LENGTHS": {10: 2, 20: 1, 1000: 1}},
    spoken_numbers: {"STEPS_PER_EPOCH": 2, "SEEDS": 1},
    timekeeping: {"STEPS_PER_EPOCH": 1, "TEST_EPISODES": 2, "SEEDS": 1},
    calibration: {"VALIDATION_IMAGES": 4, "WORST": calibration.Kind(6, 8, True, 0.0)},
    ensemble: {"MEMBERS": 2, "AUGMENTATION": None},
    depths: {"PARAMETERS": {8: 75_290, 20: 269_722}},
}


@pytest.fixture
def few_images(small_sets, monkeypatch):
    """Data sets of so few images that a pass over them takes two or three steps."""
    few = {"train": 16, "test": 4}
    digits = partial(small_digits, size=28, **few)
    photographs = partial(small_photographs, **few)
    loaders = {
        "digits": partial(small_digits, **few),
        "digits-28": digits,
        "mnist": partial(digits, "mnist"),
        "fashion-mnist": partial(digits, "fashion-mnist"),
        "cifar10": partial(photographs, "cifar10", 32, CIFAR10_CLASSES),
        "cats-dogs": partial(photographs, "cats and dogs", 50, CATS_DOGS_CLASSES),
        "cats-dogs-96": partial(photographs, "cats and dogs", 96, CATS_DOGS_CLASSES),
    }
    monkeypatch.setattr(data_sets, "_LOADERS", loaders)
    return small_sets


@pytest.fixture
def device(cuda):
    """The default device is the GPU."""
    take = "reference" if cuda.xp is cupy_stand_in.stand_in else "fast"
    with cuda, tinynet_kernels.pinned(take):
        yield cuda


def run(recipe, folder, epochs=1):
    return recipes.run(recipe, recipes.Options(epochs=epochs, batch_size=8, verbose=0, folder=folder))


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_every_recipe_trains_some_steps(name, few_images, device):
    recipe = recipes.get(name)
    if recipe.steps_per_epoch:
        recipe = dataclasses.replace(recipe, steps_per_epoch=2)
    if recipe.validation_images:
        recipe = dataclasses.replace(recipe, validation_images=4)
    report = run(recipe, few_images / "run")
    assert report["status"] == "finished"
    assert report["device"] == "cuda:0"
    assert np.isfinite(report["results"]["test_loss"])
    finished = recipes.Run(few_images / "run", recipe)
    assert next(finished.model.parameters()).device == device
    images = data_sets.load(recipe.default_data).test.images
    assert finished.predict(images).shape == (len(images), len(finished.class_names))


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_goes_through(name, few_images, device, monkeypatch):
    for module, settings in FIVE_STEPS.items():
        for setting, value in settings.items():
            monkeypatch.setattr(module, setting, value)
    monkeypatch.setattr(calibration, "KINDS", (calibration.WORST, calibration.WORST._replace(depth=2)))
    kept = {kind: identity.ACTIVATIONS[kind] for kind in ("Tanh", "ReLU6")}
    monkeypatch.setattr(identity, "ACTIVATIONS", kept)
    photographs = small_photographs("cats and dogs", 32, CATS_DOGS_CLASSES, train=10, test=4)
    monkeypatch.setattr(transfer, "load_cats_dogs", lambda size, dtype: photographs)
    monkeypatch.setattr(transfer, "_pretrained", lambda: models.MobileNetV1(10, width=0.125).eval())
    study = recipes.get(name)
    if name == "crnn":
        pytest.importorskip("PIL", reason="drawing words needs Pillow")
        pytest.importorskip("matplotlib", reason="drawing words needs Matplotlib's fonts")
        plan = crnn.Plan(width=1 / 32, train=8, validation=4, test=4)
        study = dataclasses.replace(study, conduct=partial(crnn._conduct, plan))
    # A temperature exists only for a network that has learnt something.
    report = run(study, few_images / "run", epochs=20 if name == "calibration" else 1)
    assert report["status"] == "finished"
    assert report["device"] == "cuda:0"
    assert report["results"]


@pytest.mark.parametrize("name", ["lenet5", "capsnet"])
def test_pictures_are_drawn(name, monkeypatch, tmp_path, device):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    images = partial(small_digits, size=32 if name == "lenet5" else 28, train=16, test=48)
    monkeypatch.setattr(data_sets, "_LOADERS", {recipes.get(name).default_data: images})
    run(recipes.get(name), tmp_path)
    pictures = {"curves.png", "predictions.png", "confusion.png", *recipes.get(name).pictures}
    for picture in pictures:
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_network_that_reads_is_drawn_and_used_again(tmp_path, device):
    pytest.importorskip("PIL", reason="drawing words needs Pillow")
    pytest.importorskip("matplotlib", reason="drawing words needs Matplotlib's fonts")
    plan = crnn.Plan(width=1 / 32, train=8, validation=4, test=4)
    report = run(dataclasses.replace(recipes.get("crnn"), conduct=partial(crnn._conduct, plan)), tmp_path)
    assert (tmp_path / "readings.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    found = recipes.WordRun(tmp_path)
    assert next(found.reader.model.parameters()).device == device
    for name, value in found.evaluate().items():
        assert report["results"][f"test_{name}"] == pytest.approx(value, rel=1e-5)
    image = np.zeros((32, 100, 1), np.uint8)
    assert found.reader.picture(tmp_path / "alignment.png", image).read_bytes().startswith(b"\x89PNG")
    assert "column" in found.reader.steps_table(image)
    assert found.reader.read(image)
