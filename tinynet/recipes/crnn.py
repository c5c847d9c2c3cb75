"""Reading words with the CRNN: on images that the project draws, and on photographs.

Sources: the document "Creating a CRNN model to recognize text in an image"; B. Shi, X. Bai and C. Yao, "An
End-to-End Trainable Neural Network for Image-Based Sequence Recognition and Its Application to Scene Text
Recognition", 2015.

With ``--data words`` a network is trained on drawn words alone first, in a folder ``rendered``, and
then on real ones with some drawn ones among them.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

import tinynet as tn
from tinynet import inspection, optim
from tinynet.data.words import WordLoader
from tinynet.errors import MissingExtraError
from tinynet.models import CRNN as Network
from tinynet.recipes.base import Figure, Settings, Study
from tinynet.recipes.experiment import CHECKPOINT, HISTORY, MODEL, SECONDS_BETWEEN_CHECKPOINTS
from tinynet.recipes.parts import one_cycle
from tinynet.recipes.report import FILE_NAME, read_report
from tinynet.recipes.studies import run_study
from tinynet.recipes.word_runs import described_reader, reading_scores
from tinynet.recipes.words import load_words
from tinynet.sequences import Alphabet
from tinynet.training import Checkpoint, CSVLog, KeepBest, Trainer, WordAccuracy
from tinynet.vision import WordReader

__all__ = ["CRNN", "Plan"]

DRAWN, REAL = "rendered", "words"

LONGEST_GRADIENT = 5.0
READINGS_SHOWN = 36
MISTAKES_SHOWN = 24
READING_BATCH = 128


@dataclass(frozen=True)
class Plan:
    """The size of a training.

    Attributes:
        width: the factor for the channels of the network.
        train, validation, test: how many images are drawn.
        drawn_beside_real: how many are drawn for the second training, that on real words.
        real_validation: how many real images are set aside from that to validate on.
        repetitions: how often the others come in an epoch of it.
        one_cycle: whether the rate rises and falls, with weight decay; otherwise it is constant, with Adam.
    """

    width: float
    train: int
    validation: int
    test: int
    drawn_beside_real: int = 10_000
    real_validation: int = 150
    repetitions: int = 6
    one_cycle: bool = True


def _conduct(plan, work):
    """Trains a network, measures what it reads, and writes its files and pictures."""
    data = work.settings["data"]
    work.say("drawing the images")
    sets = load_words(data, plan, work.settings["seed"], work.options.workers)
    work.say(f"{len(sets.train):,} images to train on, {len(sets.test):,} to test with")
    pretrained = _pretrain(plan, work) if data == REAL else None
    alphabet = Alphabet()
    model = Network(alphabet.classes, width=plan.width)
    work.details["model"] = described_reader(alphabet, width=plan.width)
    work.details["images"] = {"train": len(sets.train), "test": len(sets.test)}
    results = {"parameters": model.num_parameters()}
    if pretrained is not None:
        model.load(pretrained / MODEL)
        before = reading_scores(_read(model, alphabet, sets.test), sets.test.texts)
        results["test_accuracy_without_real_words"] = before["word_accuracy_ignoring_case"]
    history = _train(model, alphabet, sets, plan, work)
    model.save(work.folder / MODEL)
    found = _read(model, alphabet, sets.test)
    _draw(work, history, sets.test, found)
    return results | _scores(found, sets.test.texts, set(sets.train.texts))


def _pretrain(plan, work):
    """Trains on drawn words alone, unless this was done before. Returns the folder of that run."""
    folder = work.folder / DRAWN
    begun = work.options.resume and (folder / FILE_NAME).exists()
    if begun and read_report(folder)["status"] == "finished":
        return folder
    study = replace(CRNN.sized(work.settings["full"]), conduct=partial(_conduct, plan), full=None)
    options = replace(work.options, folder=folder, data=DRAWN, full=None, resume=begun)
    if run_study(study, options)["status"] == "interrupted":
        raise KeyboardInterrupt
    tn.manual_seed(work.settings["seed"])
    return folder


def _read(model, alphabet, words):
    return [reading.text for reading in WordReader(model, alphabet).read_all(words, READING_BATCH)]


def _train(model, alphabet, sets, plan, work):
    """The history; the model has the weights of the best epoch then. KeyboardInterrupt if Ctrl-C ended it."""
    settings, checkpoint = work.settings, work.folder / CHECKPOINT
    load = partial(WordLoader, encode=alphabet.encode_all, steps=model.steps)
    batches = load(
        sets.train,
        batch_size=settings["batch_size"],
        shuffle=True,
        seed=settings["seed"],
        narrow_first=settings["data"] == DRAWN,
        transform=sets.transform,
        workers=work.options.workers,
    )
    history = _trainer(model, alphabet, plan, settings, len(batches)).fit(
        batches,
        validation_data=load(sets.validation, batch_size=READING_BATCH),
        epochs=settings["epochs"],
        callbacks=[
            CSVLog(work.folder / HISTORY),
            KeepBest("val_loss"),
            Checkpoint(checkpoint, every_seconds=SECONDS_BETWEEN_CHECKPOINTS),
        ],
        verbose=work.options.verbose,
        resume=checkpoint if work.options.resume and checkpoint.exists() else None,
    )
    if history.interrupted:
        raise KeyboardInterrupt
    return history


def _trainer(model, alphabet, plan, settings, steps):
    rate = settings["learning_rate"]
    if plan.one_cycle:
        optimizer = optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
        schedule = one_cycle(optimizer, rate, settings["epochs"] * steps)
    else:
        optimizer, schedule = optim.Adam(model.parameters(), lr=rate), None
    return Trainer(
        model,
        optimizer,
        model.loss,
        metrics=[WordAccuracy(alphabet)],
        clip_norm=LONGEST_GRADIENT,
        schedule=schedule,
        schedule_every="batch",
    )


def _scores(found, texts, seen):
    """How well texts were read, all of them, and those that were never trained on."""
    scores = {f"test_{name}": value for name, value in reading_scores(found, texts).items()}
    new = [one == other for one, other in zip(found, texts, strict=True) if other not in seen]
    if new:
        scores["test_word_accuracy_of_new_words"] = float(np.mean(new))
    return scores


def _draw(work, history, words, found):
    """The curves; the first images with what was read, then the first mistakes among the others."""
    others = range(READINGS_SHOWN, len(words))
    mistakes = [index for index in others if found[index] != words.texts[index]]
    shown = [*range(len(words))[:READINGS_SHOWN], *mistakes[:MISTAKES_SHOWN]]
    chosen = words.subset(shown)
    try:
        history.plot(work.folder / "curves.png")
        inspection.readings_picture(
            work.folder / "readings.png", chosen.images, [found[index] for index in shown], chosen.texts
        )
    except MissingExtraError as error:
        work.say(f"no pictures: {error}")


_CRNN = Study(
    name="crnn",
    title="A CRNN that reads words of letters and digits",
    source="Creating a CRNN model to recognize text in an image",
    settings={
        DRAWN: Settings(epochs=8, batch_size=32, learning_rate=2e-3),
        REAL: Settings(epochs=5, batch_size=32, learning_rate=1e-3),
    },
    figures=(
        Figure("test_word_accuracy", 0.95, "goal of this project", DRAWN),
        Figure("test_word_accuracy_ignoring_case", 0.60, "goal of this project", REAL),
    ),
    conduct=partial(_conduct, Plan(width=0.25, train=50_000, validation=1_000, test=2_000)),
)

# The documented network and numbers of images, and Adam; the document does not say for how long.
CRNN = replace(
    _CRNN,
    full=replace(
        _CRNN,
        settings={name: Settings(epochs=10, batch_size=64, learning_rate=1e-3) for name in (DRAWN, REAL)},
        figures=(*_CRNN.figures, Figure("parameters", 6_619_711, "the network as documented")),
        conduct=partial(
            _conduct,
            Plan(width=1.0, train=135_000, validation=15_000, test=5_000, one_cycle=False),
        ),
    ),
)
