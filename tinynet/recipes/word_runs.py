"""A finished run of a network that reads words, read back from its folder to be used."""

from pathlib import Path

import numpy as np

from tinynet.data.words import read_word_image
from tinynet.errors import ArgumentError, DataError
from tinynet.models import CRNN
from tinynet.recipes.experiment import MODEL
from tinynet.recipes.report import read_report
from tinynet.recipes.words import load_test_words
from tinynet.sequences import Alphabet, character_error_rate
from tinynet.vision import WordReader

__all__ = ["WordRun", "described_reader", "reading_scores", "reads_words"]

MAX_LIST_BYTES = 1 << 26


def described_reader(alphabet, **options):
    """What a report says of a network that reads words, as its ``model``.

    Args:
        alphabet: the `Alphabet` of its classes.
        options: the arguments of `models.CRNN` besides num_classes.
    """
    return {"name": "crnn", **options, "characters": alphabet.characters}


def reads_words(report):
    """Whether a run's report is that of a network that reads words."""
    return isinstance(report["model"], dict) and "characters" in report["model"]


def reading_scores(found, texts):
    """How well texts were read, by name: words, words but for capitals, characters.

    Args:
        found, texts: lists of strings, what was read and what is written.
    """
    exact = [one == other for one, other in zip(found, texts, strict=True)]
    alike = [one.casefold() == other.casefold() for one, other in zip(found, texts, strict=True)]
    return {
        "word_accuracy": float(np.mean(exact)),
        "word_accuracy_ignoring_case": float(np.mean(alike)),
        "character_error_rate": character_error_rate(found, texts),
    }


class WordRun:
    """The trained network of a run, with its characters.

    Args:
        folder: the folder of the run.

    Attributes:
        report: what ``report.json`` holds.
        reader: the `WordReader`, on the default device.

    Raises:
        DataError: there is no finished run in the folder, its report is damaged, or it reads no words.
        CheckpointError: the file of weights is missing, damaged, or does not fit the model.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.report = read_report(folder)
        if self.report["status"] != "finished":
            raise DataError(f"{folder}: this run is not finished (it is {self.report['status']})")
        if not reads_words(self.report):
            raise DataError(f"{folder}: the network of this run reads no words")
        try:
            described = dict(self.report["model"])
            alphabet = Alphabet(described.pop("characters"))
            described.pop("name", None)
            model = CRNN(alphabet.classes, **described)
        except (TypeError, ArgumentError) as error:
            raise DataError(f"{folder}: the report describes no network that reads words: {error}") from error
        model.load(self.folder / MODEL)
        self.reader = WordReader(model, alphabet)

    def evaluate(self):
        """How well the test images are read, along the best path; see `reading_scores`."""
        try:
            settings = self.report["settings"]
            test = settings["data"], self.report["images"]["test"], settings["seed"]
        except (KeyError, TypeError) as error:
            raise DataError(f"{self.folder}: the report lacks {error}") from error
        words = load_test_words(*test)
        return reading_scores([reading.text for reading in self.reader.read_all(words)], words.texts)

    @staticmethod
    def read_image(path):
        """An image file of one word as the reader takes it, (32, W, 1); see `data.words.read_word_image`."""
        return read_word_image(path)

    def word_list(self, path):
        """The words of a text file, one a line, in small letters, capitals, and with one capital.

        Raises:
            DataError: the file cannot be read, is no text, has no words, or one has unknown characters.
        """
        try:
            with open(path, "rb") as file:
                content = file.read(MAX_LIST_BYTES + 1)
            if len(content) > MAX_LIST_BYTES:
                raise DataError(f"{path}: more than {MAX_LIST_BYTES:,} bytes are no list of words")
            words = [line.strip() for line in content.decode("utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: not a readable list of words: {error}") from error
        try:
            return self.reader.alphabet.word_list([word for word in words if word], any_case=True)
        except ArgumentError as error:
            raise DataError(f"{path}: {error}") from None
