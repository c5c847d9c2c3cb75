"""Batches of word images that are about equally wide."""

import numpy as np

from tinynet.data.loader import DataLoader
from tinynet.data.words.images import BUCKET, bucket_widths, word_batch
from tinynet.errors import ArgumentError

__all__ = ["WordLoader"]


class WordLoader(DataLoader):
    """Batches (images, labels, input_lengths, target_lengths), as a network and the CTC loss take them.

    Images are sorted into buckets, each `bucket` columns wider than the one before, and a batch comes from
    one bucket. Buckets are chosen over single widths since few shapes make few different arrays in memory.

    * images (N, 32, W, 1), float32, filled up on the right, see `word_batch`;
    * labels (N, S), int64, filled up by 0;
    * input_lengths (N,), int64, how many steps of the network belong to each image;
    * target_lengths (N,), int64, how many labels each image has.

    Args:
        words: `WordImages`.
        encode: ``encode(texts)``, labels (N, S) and target_lengths, as `sequences.Alphabet.encode_all`.
        steps: ``steps(widths)``, how many steps the network makes of images of these widths.
        batch_size: the number of images in a batch; the last one of each bucket may have fewer.
        shuffle: whether each epoch has its own order, of the images in a bucket and of the batches. Otherwise
            batches become wider and wider.
        seed: a non-negative integer; the batches of an epoch follow from it.
        narrow_first: whether the batches of the first epoch become wider and wider although those of others
            are shuffled. A network learns sooner to tell letters apart when there are few of them (Amodei et
            al., "Deep Speech 2", 2016, section 3.2).
        bucket: how many columns wide a bucket is.
        transform: ``transform(image, rng)`` for each image, uint8, which must leave its shape as it is.
        workers: how many threads make batches ahead of time.

    Raises:
        ArgumentError: an argument is out of its range.
        LoadingError: from iterating, `encode` does not know a character, or a transform failed.
    """

    def __init__(
        self,
        words,
        encode,
        steps,
        batch_size=32,
        shuffle=False,
        seed=0,
        narrow_first=False,
        bucket=BUCKET,
        transform=None,
        workers=0,
    ):
        if bucket < 1:
            raise ArgumentError(f"WordLoader: bucket should be at least 1, not {bucket}")
        super().__init__(
            words,
            batch_size,
            shuffle=shuffle,
            seed=seed,
            transform=transform,
            collate=WordBatches(encode, steps, bucket),
            workers=workers,
        )
        self.narrow_first = narrow_first
        widths = bucket_widths(words.widths, bucket)
        self.buckets = [np.flatnonzero(widths == width) for width in np.unique(widths)]

    def __len__(self):
        """The number of batches in an epoch."""
        return sum(-(-len(bucket) // self.batch_size) for bucket in self.buckets)

    def indices(self, epoch):
        """The indices of the images in each batch of an epoch, a list of arrays."""
        rng = np.random.default_rng((self.seed, epoch))
        batches = []
        for bucket in self.buckets:
            order = rng.permutation(bucket) if self.shuffle else bucket
            batches += [
                order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)
            ]
        if self.shuffle and not (self.narrow_first and epoch == 0):
            batches = [batches[index] for index in rng.permutation(len(batches))]
        return batches

    def _tasks(self, epoch, start_batch):
        for batch in self.indices(epoch)[start_batch:]:
            yield epoch, batch


class WordBatches:
    """Puts samples (image, text) together to a batch; see `WordLoader`."""

    def __init__(self, encode, steps, bucket):
        self.encode = encode
        self.steps = steps
        self.bucket = bucket

    def __call__(self, samples):
        images, texts = zip(*samples, strict=True)
        batch, widths = word_batch(images, self.bucket)
        labels, target_lengths = self.encode(texts)
        return batch, labels, self.steps(widths), target_lengths
