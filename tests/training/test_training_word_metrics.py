"""Metrics of words: what they count, and that the trainer takes them."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, optim
from tinynet.errors import ArgumentError, ShapeError
from tinynet.sequences import Alphabet
from tinynet.training import CharacterErrorRate, WordAccuracy

ALPHABET = Alphabet("abAB")


def scores_of(*paths):
    """Scores whose best paths are these, a point standing for the blank."""
    classes = "abAB."
    return tn.tensor(np.eye(5, dtype=np.float32)[[[classes.index(c) for c in path] for path in paths]])


def targets_of(*texts):
    return ALPHABET.encode_all(texts)


def test_words_are_right_or_wrong():
    metric = WordAccuracy(ALPHABET)
    labels, lengths = targets_of("ab", "aa", "b")
    metric.update(scores_of("ab..", "a.a.", "a..."), labels, None, lengths)
    assert metric.result() == pytest.approx(2 / 3)
    metric.update(scores_of("...."), *targets_of("")[:1], None, [0])
    assert metric.result() == pytest.approx(3 / 4)
    assert metric.name == "word_accuracy"


def test_steps_beyond_the_length_do_not_count():
    labels, lengths = targets_of("a", "a")
    metric = WordAccuracy(ALPHABET)
    metric.update(scores_of("a.bb", "a.bb"), tn.tensor(labels), tn.tensor([2, 4]), tn.tensor(lengths))
    assert metric.result() == 0.5


def test_case_may_be_ignored():
    batch = scores_of("aB..", "ab.."), *targets_of("Ab", "ba")[:1]
    assert WordAccuracy(ALPHABET).measure(*batch) == (0, 2)
    metric = WordAccuracy(ALPHABET, ignore_case=True)
    assert metric.measure(*batch) == (1, 2)
    assert metric.name == "word_accuracy_ignoring_case"


def test_wrong_characters_are_counted():
    metric = CharacterErrorRate(ALPHABET)
    labels, lengths = targets_of("ab", "aab", "b")
    assert metric.measure(scores_of("ab..", "a.b.", "a.b."), labels, None, lengths) == (2, 6)
    assert CharacterErrorRate(ALPHABET, ignore_case=True).measure(
        scores_of("AB..", "a.b.", "a.b."), labels, None, lengths
    ) == (2, 6)


def test_errors_say_what_is_wrong():
    metric = WordAccuracy(ALPHABET)
    with pytest.raises(ArgumentError, match="word_accuracy: the scores have 3 classes"):
        metric.measure(np.zeros((1, 2, 3)), [[0]])
    with pytest.raises(ShapeError, match=r"word_accuracy: labels must be \(1, S\), for scores of"):
        metric.measure(np.zeros((1, 2, 5)), [0, 1])


def test_the_trainer_measures_them():
    rng = np.random.default_rng(0)
    tn.manual_seed(0)
    model = models.CRNN(ALPHABET.classes, width=1 / 32, hidden_size=4)
    metrics = [WordAccuracy(ALPHABET), WordAccuracy(ALPHABET, ignore_case=True), CharacterErrorRate(ALPHABET)]
    trainer = tn.Trainer(model, optim.Adam(model.parameters()), model.loss, metrics)
    images = rng.random((6, 32, 40, 1)).astype(np.float32)
    labels, lengths = targets_of("ab", "a", "Ab", "bb", "A", "BB")
    samples = tn.data.ArrayDataset(images, labels, np.full(6, 9), lengths)
    history = trainer.fit(samples, validation_data=samples, epochs=1, batch_size=3, verbose=0)
    row = history.epochs[0]
    assert {"word_accuracy", "word_accuracy_ignoring_case", "character_error_rate"} < row.keys()
    read = tn.sequences.read_texts(trainer.predict(samples), ALPHABET)
    right = [
        found.text == text for (found,), text in zip(read, ALPHABET.decode_all(labels, lengths), strict=True)
    ]
    assert row["val_word_accuracy"] == pytest.approx(np.mean(right))
    assert row["val_character_error_rate"] > 0
