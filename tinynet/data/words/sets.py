"""Sets of word images: drawn ones, those of a folder, and any of them kept in memory."""

from pathlib import Path

import numpy as np

from tinynet.data.datasets import Dataset, check_index, sample_rng
from tinynet.data.files import DataNotFoundError
from tinynet.data.loader import DataLoader
from tinynet.data.words.images import read_word_image
from tinynet.data.words.rendering import draw_word
from tinynet.data.words.texts import CHARACTERS, draw_text
from tinynet.errors import ArgumentError, DataError

__all__ = ["RenderedWords", "WordFolder", "WordImages"]


class RenderedWords(Dataset):
    """Word images that are drawn when they are asked for: a sample is (image, text).

    The image (32, W, 1), uint8, and the text of number i are always the same for a seed, whoever asks, with
    the same Pillow. Different seeds share fonts and words, but no image.

    Args:
        count: how many there are.
        seed: a non-negative integer.
        style: a `Style`, how far they go, or None for the usual one.

    Raises:
        ArgumentError: the count is below 1, or the seed negative.
        MissingExtraError: from indexing, Pillow or Matplotlib isn't installed.
    """

    def __init__(self, count, seed=0, style=None):
        if count < 1 or seed < 0:
            raise ArgumentError(
                f"RenderedWords: count should be at least 1 and seed at least 0, not {count} and {seed}"
            )
        self.count = count
        self.seed = seed
        self.style = style

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        index = check_index(index, self.count)
        rng = sample_rng(self.seed, 0, index)
        text = draw_text(rng)
        return draw_word(text, rng, self.style), text


class WordFolder(Dataset):
    """Image files and what is written on them, listed in a table: a sample is (image, text).

    The table has one line for each image: its path from the folder of the table, a TAB, and the text, in
    UTF-8. Empty lines are passed over. Images of any size are brought to 32 rows when they are asked for, see
    `read_word_image`.

    Args:
        table: the path of the table.
        characters: those that texts may have; None for any.
        others: what becomes of a text with other characters: ``"refuse"`` raises an error, ``"skip"`` leaves
            its image out, ``"remove"`` takes them out of the text (and leaves the image out if none is left).

    Attributes:
        paths: the image files.
        texts: the text of each.

    Raises:
        DataNotFoundError: the table isn't there, or an image that it names.
        DataError: a line has no TAB, no path or no text, a text has other characters, or no image remains.
            From indexing, a file isn't a readable image.
        ArgumentError: `others` is none of the three.
    """

    def __init__(self, table, characters=CHARACTERS, others="refuse"):
        if others not in ("refuse", "skip", "remove"):
            raise ArgumentError(f"WordFolder: others should be 'refuse', 'skip' or 'remove', not {others!r}")
        self.table = Path(table)
        self.characters = None if characters is None else frozenset(characters)
        self.others = others
        self.paths, self.texts = [], []
        for number, line in enumerate(self._lines(), start=1):
            self._add(f"{self.table}, line {number}", line)
        if not self.paths:
            raise DataError(f"{self.table}: no image with a text to read")
        missing = [path for path in self.paths if not path.is_file()]
        if missing:
            raise DataNotFoundError(
                f"{self.table}: {len(missing)} of {len(self.paths)} image files are missing, the first is "
                f"{missing[0]}"
            )

    def _lines(self):
        try:
            return self.table.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            raise DataNotFoundError(f"WordFolder: there is no table {self.table}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self.table}: not a readable table: {error}") from error

    def _add(self, place, line):
        if not line.strip():
            return
        path, tab, text = line.partition("\t")
        text = text.strip()
        if not tab:
            raise DataError(
                f"{place}: path and text should be separated by a TAB, but there is none: {line!r}"
            )
        if not path.strip() or not text:
            raise DataError(f"{place}: there is no {'text' if path.strip() else 'path'}: {line!r}")
        unknown = sorted(set(text) - self.characters) if self.characters is not None else []
        if unknown and self.others == "refuse":
            raise DataError(
                f"{place}: {''.join(unknown)!r} in {text!r} is not among the characters; with others='skip' "
                "such images are left out, with others='remove' such characters"
            )
        if unknown and self.others == "remove":
            text = "".join(character for character in text if character in self.characters)
        if text and not (unknown and self.others == "skip"):
            self.paths.append(self.table.parent / path.strip())
            self.texts.append(text)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        index = check_index(index, len(self))
        return read_word_image(self.paths[index]), self.texts[index]


class WordImages(Dataset):
    """Word images in memory: a sample is (image, text).

    Args:
        images: a list of arrays (32, W, 1), uint8, of any widths.
        texts: a list of their texts.

    Attributes:
        widths: (N,), int64.

    Raises ArgumentError when there are not as many texts as images.
    """

    def __init__(self, images, texts):
        if len(images) != len(texts):
            raise ArgumentError(f"WordImages: there are {len(images)} images but {len(texts)} texts")
        self.images = list(images)
        self.texts = list(texts)
        self.widths = np.array([image.shape[1] for image in self.images], np.int64)

    @classmethod
    def of(cls, dataset, workers=0):
        """All samples of `RenderedWords`, a `WordFolder` or the like, made by so many processes."""
        loader = DataLoader(dataset, 64, collate=_as_list, workers=workers, worker_type="process", prefetch=8)
        samples = [sample for batch in loader for sample in batch]
        return cls(*zip(*samples, strict=True)) if samples else cls([], [])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        index = check_index(index, len(self))
        return self.images[index], self.texts[index]

    def subset(self, indices):
        """The images at these indices, in this order."""
        return WordImages([self.images[index] for index in indices], [self.texts[index] for index in indices])

    def __add__(self, other):
        """These images, and then those of another set."""
        return WordImages(self.images + other.images, self.texts + other.texts)


def _as_list(samples):
    return samples
