"""Numbers read from their words, “five hundred fifteen” → 515: an LSTM with a dense layer, NAC or NALU.

Source: Trask et al., "Neural arithmetic logic units", 2018, section 4.3.
"""

import csv

import numpy as np

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.errors import MissingExtraError
from tinynet.inspection.figures import new_figure, save_figure
from tinynet.recipes.arithmetic.descent import descend, on_device
from tinynet.recipes.arithmetic.spelling import VOCABULARY, spell
from tinynet.recipes.arithmetic.tables import markdown_table, write_markdown
from tinynet.recipes.base import Figure, Settings, Study

__all__ = ["HEADS", "SPOKEN_NUMBERS", "NumberReader", "encode", "split_numbers", "train"]

LARGEST = 999
ALWAYS_IN_TRAINING = 20  # numbers up to this one
TRAINING, VALIDATION = 169, 200
LONGEST = 4  # words
HIDDEN = 32
SEEDS = 2
LARGEST_NORM = 1.0
# Vectors of words that start large let the numbers be learnt by heart, without what they have in common.
SPREAD_OF_WORDS = 0.03
STEPS_PER_EPOCH = 100
HEADS = {"Linear": nn.Linear, "NAC": nn.NAC, "NALU": nn.NALU}
PARTS = ("training", "validation", "test")

_INDICES = {word: index for index, word in enumerate(VOCABULARY)}


def split_numbers(generator):
    """Divides the numbers from 1 to 999 as the paper does: 169 to train on, 200 to validate, 630 to test.

    Those up to 20 are trained on, and so is at least one number with each word.

    Args:
        generator: a `numpy.random.Generator`.

    Returns:
        Three arrays of numbers.
    """
    training = list(range(1, ALWAYS_IN_TRAINING + 1))
    known = {word for number in training for word in spell(number)}
    others = []
    for number in generator.permutation(np.arange(ALWAYS_IN_TRAINING + 1, LARGEST + 1)):
        words = spell(number)
        (others if known.issuperset(words) else training).append(number)
        known.update(words)
    # Shuffled again: the numbers that introduced a word would else leave a trace in the order of the rest.
    others = generator.permutation(others)
    missing = TRAINING - len(training)
    return (
        np.concatenate([training, others[:missing]]),
        others[missing : missing + VALIDATION],
        others[missing + VALIDATION :],
    )


def encode(numbers):
    """The words of numbers (N,) as indices in the vocabulary, (N, 4), and how many there are, (N,)."""
    words = np.zeros((len(numbers), LONGEST), np.int64)
    lengths = np.zeros(len(numbers), np.int64)
    for row, number in enumerate(numbers):
        indices = [_INDICES[word] for word in spell(number)]
        words[row, : len(indices)] = indices
        lengths[row] = len(indices)
    return words, lengths


class NumberReader(nn.Module):
    """Vectors of words, an LSTM, and a head on its last state.

    Words (N, T) as indices, and how many there are, (N,) → numbers (N,).

    Args:
        head: a name in `HEADS`.
    """

    def __init__(self, head):
        self.embedding = nn.Embedding(len(VOCABULARY), HIDDEN)
        nn.init.normal(self.embedding.weight, std=SPREAD_OF_WORDS)
        self.lstm = nn.LSTM(HIDDEN, HIDDEN)
        self.head = HEADS[head](HIDDEN, 1)

    def forward(self, words, lengths):
        _, (state, _) = self.lstm(self.embedding(words), lengths=lengths)
        return self.head(state[-1])[:, 0]


def train(model, numbers, settings, generator):
    """Trains on batches of the numbers, drawn by a `numpy.random.Generator`."""
    words, lengths = encode(numbers)
    values = numbers.astype(np.float32)
    optimizer = optim.Adam(model.parameters(), lr=settings["learning_rate"])
    size = min(settings["batch_size"], len(numbers))

    def draw_loss(_step):
        chosen = generator.choice(len(numbers), size, replace=False)
        inputs = on_device(words[chosen]), on_device(lengths[chosen])
        return F.l1_loss(model(*inputs), on_device(values[chosen]))

    descend(optimizer, settings["epochs"] * STEPS_PER_EPOCH, draw_loss, LARGEST_NORM)


def answers(model, numbers):
    """What the model reads in the words of these numbers: an array (N,)."""
    with tn.no_grad():
        return model(*map(on_device, encode(numbers))).numpy()


def _conduct(work):
    """Trains each head from several seeds on the same numbers, and asks for those it has never seen."""
    seed = work.settings["seed"]
    parts = split_numbers(np.random.default_rng(seed))
    errors, shown = {}, {}
    for head in HEADS:
        rows = []
        for run in range(SEEDS):
            tn.manual_seed(seed + run)
            model = NumberReader(head)
            train(model, parts[0], work.settings, np.random.default_rng(seed + run))
            rows.append([float(np.abs(answers(model, numbers) - numbers).mean()) for numbers in parts])
        errors[head] = np.array(rows)
        shown[head] = answers(model, parts[2])
        mean = errors[head].mean(axis=0)
        work.say(
            f"LSTM + {head}: " + ", ".join(f"{name} {e:.3g}" for name, e in zip(PARTS, mean, strict=True))
        )
    _write(work, parts[2], errors, shown)
    results = {f"{head.lower()}_test_error": float(rows[:, 2].mean()) for head, rows in errors.items()}
    results["nalu_to_linear"] = results["nalu_test_error"] / results["linear_test_error"]
    return results


def _write(work, numbers, errors, shown):
    with open(work.folder / "answers.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("words", "number", *shown))
        for row, number in enumerate(numbers):
            writer.writerow((" ".join(spell(number)), number, *(shown[head][row] for head in shown)))
    rows = [(f"LSTM + {head}", *(_spread(column) for column in rows.T)) for head, rows in errors.items()]
    write_markdown(
        work.folder / "numbers.md",
        "Numbers read from their words",
        f"Mean absolute errors, the mean of {SEEDS} seeds and their range; {TRAINING} numbers from 1 to "
        f"{LARGEST} were trained on, the others never seen.",
        markdown_table(("", *PARTS), rows),
    )
    try:
        _draw(work.folder / "numbers.png", numbers, shown)
    except MissingExtraError as error:
        work.say(f"no picture: {error}")


def _spread(errors):
    return f"{errors.mean():.3g} ({errors.min():.3g} to {errors.max():.3g})"


def _draw(path, numbers, shown):
    """What was answered over what was asked, a panel for each head."""
    figure = new_figure(4 * len(shown), 4)
    panels = figure.subplots(1, len(shown), sharex=True, sharey=True)
    for panel, (head, outputs) in zip(panels, shown.items(), strict=True):
        panel.plot([0, LARGEST], [0, LARGEST], color="0.7", linewidth=1)
        panel.scatter(numbers, outputs, s=6)
        panel.set(title=f"LSTM + {head}", xlabel="number")
    panels[0].set_ylabel("answer")
    return save_figure(figure, path)


SPOKEN_NUMBERS = Study(
    name="nalu-numbers",
    title="Numbers from 1 to 999 read from their words: an LSTM with a dense layer, NAC or NALU",
    source="Trask et al., Neural arithmetic logic units, section 4.3",
    settings={"spelled": Settings(epochs=60, batch_size=64, learning_rate=2e-2)},
    figures=(Figure("nalu_to_linear", 1.0, "Trask et al., section 4.3", goal="at most"),),
    conduct=_conduct,
)
