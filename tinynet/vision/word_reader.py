"""Reading words from images with a trained network."""

import numpy as np

from tinynet.autograd import as_tensor, no_grad
from tinynet.data.words import WordLoader, word_batch
from tinynet.errors import ArgumentError
from tinynet.functional import log_softmax
from tinynet.inspection.alignments import alignment_picture
from tinynet.sequences import Text, read_texts

__all__ = ["WordReader"]


class WordReader:
    """A network that reads words, with the characters that its classes stand for.

    Images go through `data.words.word_batch` one by one, so that a reading depends on nothing but its image.

    Args:
        model: a `models.CRNN`, which is switched to inference.
        alphabet: the `sequences.Alphabet` of its classes.

    Raises:
        ArgumentError: they have different numbers of classes.
    """

    def __init__(self, model, alphabet):
        if model.num_classes != alphabet.classes:
            raise ArgumentError(
                f"WordReader: the model has {model.num_classes} classes, but the alphabet "
                f"{alphabet.classes}, the blank included"
            )
        self.model = model.eval()
        self.alphabet = alphabet

    @property
    def _device(self):
        return next(self.model.parameters()).device

    def log_probabilities(self, image):
        """What the network says of each step of an image.

        Args:
            image: (32, W, 1), uint8 or numbers from 0 to 1, as `data.words.read_word_image` gives it.

        Returns:
            (T, classes), the logarithms of probabilities.
        """
        batch, widths = word_batch([image])
        with no_grad():
            log_p = log_softmax(self.model(as_tensor(batch, device=self._device))).numpy()
        return log_p[0, : self.model.steps(widths[0])]

    def read(self, image, **search):
        """The readings of an image, the best first, as a list of `sequences.Text`.

        Args:
            image: as for `log_probabilities`.
            search: how to search, see `sequences.read_texts`.
        """
        return read_texts(self.log_probabilities(image)[np.newaxis], self.alphabet, **search)[0]

    def read_all(self, images, batch_size=128, **search):
        """The best reading of each image of a set, a list of `sequences.Text`.

        Where no word of a list fits, the text is empty and its probability 0.

        Args:
            images: `data.words.WordImages`.
            batch_size: how many images go through the network at once.
            search: how to search, see `sequences.read_texts`.
        """
        loader = WordLoader(images, self.alphabet.encode_all, self.model.steps, batch_size)
        readings = [Text("", 0.0)] * len(images)
        for indices, (batch, _, lengths, _) in zip(loader.indices(0), loader, strict=True):
            with no_grad():
                logits = self.model(as_tensor(batch, device=self._device))
            found = read_texts(logits, self.alphabet, lengths.numpy(), **search)
            for index, texts in zip(indices, found, strict=True):
                readings[index] = texts[0] if texts else readings[index]
        return readings

    def picture(self, path, image, title=None):
        """Draws image and alignment into a PNG file; see `inspection.alignment_picture`. Returns the path."""
        log_p = self.log_probabilities(image)
        centres = self.model.centres(len(log_p))
        return alignment_picture(path, image, np.exp(log_p), self.alphabet, centres, title)

    def steps_table(self, image, top=3, least=0.005):
        """What the network says of each step, as text: a line for each with its most probable characters.

        Args:
            image: as for `log_probabilities`.
            top: how many characters a line has at the most.
            least: characters that are less probable are left out.
        """
        probabilities = np.exp(self.log_probabilities(image))
        centres = self.model.centres(len(probabilities))
        return "\n".join(
            ["  step  column  characters"]
            + [
                f"{step:6}{column:8}  {self._step_text(row, top, least)}"
                for step, (column, row) in enumerate(zip(centres, probabilities, strict=True))
            ]
        )

    def _step_text(self, probabilities, top, least):
        names = [*self.alphabet.characters, "blank"]
        best = probabilities.argsort()[::-1][:top]
        return "  ".join(
            f"{names[label]} {probabilities[label]:.1%}"
            for place, label in enumerate(best)
            if place == 0 or probabilities[label] >= least
        )
