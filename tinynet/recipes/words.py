"""The sets of word images that the CRNN is trained on, by name."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinynet.data import Compose, RandomAffine, RandomContrast
from tinynet.data.files import locate, not_found
from tinynet.data.words import RenderedWords, Style, WordFolder, WordImages
from tinynet.models.registry import find

__all__ = ["WordSets", "load_test_words", "load_words"]

# Rendered sets share no image, since they are drawn from different seeds.
SETS = 4
TRAIN, VALIDATION, TEST, BESIDE_REAL = range(SETS)

# Photographs are cut closer than print is set, and show signs that nobody reads aloud.
STREET = Style(punctuation=0.08, margins=(-0.03, 0.25), rotation=3.0)
DISTORTIONS = Compose(
    RandomAffine(degrees=2, shear=8, scale=(0.9, 1.08), shift=0.03, border="edge"), RandomContrast(0.3)
)


@dataclass(frozen=True)
class WordSets:
    """Word images to train, validate and test with; each a `WordImages`.

    Attributes:
        transform: what is done to each training image anew when it is seen, see `WordLoader`; or None.
    """

    train: WordImages
    validation: WordImages
    test: WordImages
    transform: Callable | None = None


def load_words(name, plan, seed, workers=0):
    """Draws or reads the images of a training.

    Args:
        name: ``"rendered"``: all of them are drawn. ``"words"``: real ones are trained on as well, and the
            test is on real ones only.
        plan: a `crnn.Plan`, which says how many.
        seed: what is drawn, and which of the real training images are set aside to validate on.
        workers: how many processes draw.

    Raises:
        UnknownNameError: there is no such set.
        DataNotFoundError: the real images aren't on this machine.
        DataError: their tables or files are damaged.
        MissingExtraError: Pillow or Matplotlib isn't installed.
    """
    return find("set of word images", name, _LOADERS)(plan, seed, workers)


def load_test_words(name, count, seed, workers=0):
    """The images that a training on this set is tested with, without the others.

    Args:
        name, seed, workers: as for `load_words`, and so are the errors.
        count: how many of them are drawn; real ones are as many as there are.
    """
    find("set of word images", name, _LOADERS)
    return _drawn(count, seed, TEST, workers) if name == "rendered" else _real("test")


def _rendered(plan, seed, workers):
    return WordSets(
        _drawn(plan.train, seed, TRAIN, workers),
        _drawn(plan.validation, seed, VALIDATION, workers),
        _drawn(plan.test, seed, TEST, workers),
    )


def _drawn(count, seed, part, workers, style=None):
    return WordImages.of(RenderedWords(count, seed * SETS + part, style), workers)


def _with_real_ones(plan, seed, workers):
    real = _real("train")
    order = np.random.default_rng(seed).permutation(len(real))
    validation, train = order[: plan.real_validation], order[plan.real_validation :]
    drawn = _drawn(plan.drawn_beside_real, seed, BESIDE_REAL, workers, STREET)
    # Real images are few, so that they come several times in an epoch, each time distorted otherwise.
    repeated = np.tile(train, plan.repetitions)
    return WordSets(drawn + real.subset(repeated), real.subset(validation), _real("test"), DISTORTIONS)


def _real(part):
    """The images of ``words/train.tsv`` or ``words/test.tsv``, in memory."""
    names = (f"{part}.tsv",)
    table = locate("words", *names)
    if table is None:
        advice = (
            "It lists images of words with their texts, as `data.words.WordFolder` reads them; TINYNET_DATA "
            "names the folder that holds the data sets. The documented figures are for IIIT 5K-word."
        )
        raise not_found("words", names, advice)
    return WordImages.of(WordFolder(table))


_LOADERS = {"rendered": _rendered, "words": _with_real_ones}
