"""Batches of word images by their widths."""

import numpy as np
import pytest

from tinynet.data import LoadingError
from tinynet.data.words import WordImages, WordLoader, prepare_word, word_batch
from tinynet.errors import ArgumentError

WIDTHS = [8, 120, 30, 9, 24, 25, 60, 56, 57, 8, 23]


def encode(texts):
    """Letters as their places in the alphabet."""
    labels = np.zeros((len(texts), max(map(len, texts))), np.int64)
    for row, text in zip(labels, texts, strict=True):
        row[: len(text)] = [ord(letter) - ord("a") for letter in text]
    return labels, np.array([len(text) for text in texts])


def steps(widths):
    return widths // 4 - 1


@pytest.fixture
def words():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (32, width, 1), dtype=np.uint8) for width in WIDTHS]
    return WordImages(images, [chr(ord("a") + index) * (1 + index % 3) for index in range(len(WIDTHS))])


def loader(words, **options):
    return WordLoader(words, encode, steps, **{"batch_size": 3, **options})


def test_a_batch_comes_from_one_bucket(words):
    batches = loader(words)
    for indices, (images, _, _, _) in zip(batches.indices(0), batches, strict=True):
        widths = np.array(WIDTHS)[indices]
        assert images.shape == (len(indices), 32, images.shape[2], 1) and images.dtype == np.float32
        assert images.shape[2] % 16 == 0
        # Every image has 8 columns of filling at least, and 23 at the most.
        assert (images.shape[2] - widths >= 8).all() and (images.shape[2] - widths < 8 + 16).all()


def test_an_epoch_has_every_image_once(words):
    batches = loader(words, shuffle=True, seed=5)
    for epoch in range(3):
        indices = batches.indices(epoch)
        assert sorted(np.concatenate(indices).tolist()) == list(range(len(words)))
        assert len(indices) == len(batches) and max(map(len, indices)) <= 3


def test_batches_hold_images_labels_and_lengths(words):
    batches = loader(words)
    for indices, (images, labels, input_lengths, target_lengths) in zip(
        batches.indices(0), batches, strict=True
    ):
        for row, index in enumerate(indices):
            image, text = words[index]
            width = image.shape[1]
            np.testing.assert_allclose(images.numpy()[row, :, :width], prepare_word(image))
            last = np.broadcast_to(
                images.numpy()[row, :, width - 1 : width], images.numpy()[row, :, width:].shape
            )
            np.testing.assert_array_equal(images.numpy()[row, :, width:], last)
            length = int(target_lengths.numpy()[row])
            assert "".join(chr(ord("a") + label) for label in labels.numpy()[row, :length]) == text
            assert not labels.numpy()[row, length:].any()
            assert input_lengths.numpy()[row] == steps(width + 8) <= steps(images.shape[2])


def test_without_shuffling_batches_become_wider(words):
    widths = [images.shape[2] for images, *_ in loader(words)]
    assert widths == sorted(widths) and len(set(widths)) == 6


def test_the_first_epoch_may_go_from_narrow_to_wide(words):
    batches = loader(words, shuffle=True, narrow_first=True)
    widths = [[np.array(WIDTHS)[indices].max() for indices in batches.indices(epoch)] for epoch in range(2)]
    assert widths[0] == sorted(widths[0]) and widths[1] != sorted(widths[1])
    # Among images of one bucket the order is another one.
    assert any(sorted(indices.tolist()) != indices.tolist() for indices in batches.indices(0))


def test_batches_follow_from_seed_and_epoch(words):
    def order(seed, epoch):
        return [batch.tolist() for batch in loader(words, shuffle=True, seed=seed).indices(epoch)]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1) and order(1, 0) != order(2, 0)


def test_an_epoch_can_be_entered_anywhere_and_by_workers(words):
    whole = [batch[0].numpy() for batch in loader(words, shuffle=True).iterate(2)]
    rest = [batch[0].numpy() for batch in loader(words, shuffle=True, workers=2).iterate(2, start_batch=3)]
    assert len(rest) == len(whole) - 3
    for one, other in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_transform_changes_images_anew_in_every_epoch(words):
    def noisy(image, rng):
        return rng.integers(0, 256, image.shape, dtype=np.uint8)

    batches = loader(words, transform=noisy)
    first, again, second = (next(batches.iterate(epoch))[0].numpy() for epoch in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)


def test_a_single_image_makes_a_batch(words):
    batch, widths = word_batch([words[1][0]])
    assert batch.shape == (1, 32, 128, 1) and widths.tolist() == [128]
    narrow, widths = word_batch([words[0][0]], bucket=4)
    assert narrow.shape == (1, 32, 16, 1) and widths.tolist() == [16]


def test_errors_of_loaders(words):
    with pytest.raises(ArgumentError, match="WordLoader: bucket should be at least 1, not 0"):
        loader(words, bucket=0)

    def unknown(texts):
        raise ArgumentError("'é' is unknown")

    with pytest.raises(LoadingError, match=r"the samples 0, 9 do not make a batch: .*'é' is unknown"):
        next(iter(WordLoader(words, unknown, steps, batch_size=3)))
