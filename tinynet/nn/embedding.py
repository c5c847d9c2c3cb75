"""The table of vectors that stand for words, characters or other items."""

from tinynet import functional as F
from tinynet.errors import ArgumentError
from tinynet.nn import init
from tinynet.nn.arguments import count, empty_parameter
from tinynet.nn.module import Module

__all__ = ["Embedding"]


class Embedding(Module):
    """A row of a table for each index: integers (...) → (..., embedding_dim).

    The weight (num_embeddings, embedding_dim) starts with normal numbers of mean 0 and variance 1.

    Args:
        num_embeddings, embedding_dim: the size of the table.
        padding_idx: a row that starts with zeros and receives no gradient; negative counts from the end.
        generator: the source of the initial weight; the default generator if None.

    Raises:
        ArgumentError: a size is not an integer of at least 1, or padding_idx lies outside the table.
    """

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, *, generator=None):
        self.num_embeddings = count(self, "num_embeddings", num_embeddings)
        self.embedding_dim = count(self, "embedding_dim", embedding_dim)
        self.padding_idx = self._row(padding_idx)
        self.weight = init.normal(
            empty_parameter(self.num_embeddings, self.embedding_dim), generator=generator
        )
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def _row(self, padding_idx):
        if padding_idx is None:
            return None
        if not -self.num_embeddings <= padding_idx < self.num_embeddings:
            raise ArgumentError(
                f"Embedding: padding_idx {padding_idx} is outside the table of {self.num_embeddings} rows"
            )
        return padding_idx % self.num_embeddings

    def forward(self, indices):
        return F.embedding(indices, self.weight, self.padding_idx)

    def extra_repr(self):
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
