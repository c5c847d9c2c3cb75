"""The loader: order, epochs, positions, collating; the same whatever makes the batches."""

import numpy as np
import pytest

from tinynet.autograd import Tensor
from tinynet.data import (
    ArrayDataset,
    Compose,
    DataLoader,
    LoadingError,
    MapDataset,
    RandomCrop,
    RandomHorizontalFlip,
    Scale,
    Subset,
    default_collate,
)
from tinynet.data.datasets import sample_rng
from tinynet.errors import ArgumentError, ShapeError

X = np.random.default_rng(0).integers(0, 256, (23, 6, 5, 3), dtype=np.uint8)
Y = np.arange(23)
AUGMENT = Compose(RandomCrop((6, 5), padding=1), RandomHorizontalFlip(), Scale())


def arrays(batches):
    return [tuple(part.numpy() for part in batch) for batch in batches]


def labels(batches):
    return [batch[-1].numpy().tolist() for batch in batches]


def assert_equal_batches(found, expected):
    found, expected = arrays(found), arrays(expected)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for part, other_part in zip(one, other, strict=True):
            assert part.dtype == other_part.dtype
            np.testing.assert_array_equal(part, other_part)


def test_batches_in_order():
    loader = DataLoader(ArrayDataset(X, Y), batch_size=10)
    batches = list(loader)
    assert len(loader) == len(batches) == 3
    assert all(type(part) is Tensor for batch in batches for part in batch)
    assert [batch[0].shape for batch in batches] == [(10, 6, 5, 3), (10, 6, 5, 3), (3, 6, 5, 3)]
    assert labels(batches) == [list(range(10)), list(range(10, 20)), [20, 21, 22]]
    assert batches[0][0].dtype == np.uint8 and batches[0][1].dtype == np.int64


@pytest.mark.parametrize(("length", "expected"), [(20, 2), (23, 2), (9, 0), (0, 0)])
def test_drop_last(length, expected):
    loader = DataLoader(ArrayDataset(np.arange(length)), batch_size=10, drop_last=True)
    assert len(loader) == len(list(loader)) == expected


def test_an_empty_data_set_has_no_batches():
    loader = DataLoader(ArrayDataset(X[:0], Y[:0]), shuffle=True)
    assert len(loader) == 0 and list(loader) == []


def test_shuffling_depends_on_seed_and_epoch_alone():
    def epochs(seed):
        loader = DataLoader(ArrayDataset(Y), batch_size=23, shuffle=True, seed=seed)
        return [labels(loader)[0] for _ in range(2)]

    first, second = epochs(5)
    assert first == np.random.default_rng((5, 0)).permutation(23).tolist()
    assert second == np.random.default_rng((5, 1)).permutation(23).tolist()
    assert [first, second] == epochs(5) != epochs(6)


def test_the_epoch_counts_up_and_can_be_set():
    loader = DataLoader(ArrayDataset(Y), batch_size=23, shuffle=True)
    assert loader.epoch == 0
    iter(loader)
    assert loader.epoch == 1
    second = labels(loader)
    loader.epoch = 1
    assert labels(loader) == second == labels(loader.iterate(1))
    assert loader.epoch == 2


@pytest.mark.parametrize("start", [0, 1, 4, 5])
def test_an_epoch_can_be_taken_up_in_the_middle(start):
    loader = DataLoader(ArrayDataset(X, Y, transform=AUGMENT), batch_size=5, shuffle=True, seed=1)
    whole = list(loader.iterate(3))
    assert_equal_batches(loader.iterate(3, start_batch=start), whole[start:])


def test_skipped_batches_are_not_loaded():
    loaded = []
    dataset = MapDataset(ArrayDataset(Y), lambda y: loaded.append(int(y)) or y)
    list(DataLoader(dataset, batch_size=5).iterate(0, start_batch=3))
    assert loaded == list(range(15, 23))


def test_start_batch_outside():
    with pytest.raises(ArgumentError, match=r"start_batch is 6, an epoch has 5 batches"):
        DataLoader(ArrayDataset(Y), batch_size=5).iterate(0, start_batch=6)


def test_transforms_of_data_set_and_loader_give_the_same_randomness():
    by_dataset = DataLoader(ArrayDataset(X, Y, transform=AUGMENT), batch_size=4, seed=2, shuffle=True)
    by_loader = DataLoader(ArrayDataset(X, Y), batch_size=4, seed=2, shuffle=True, transform=AUGMENT)
    assert_equal_batches(by_dataset, by_loader)
    by_loader.epoch = 0
    first_index = np.random.default_rng((2, 0)).permutation(23)[0]
    expected = AUGMENT(X[first_index], sample_rng(2, 0, first_index))
    np.testing.assert_array_equal(next(iter(by_loader))[0].numpy()[0], expected)


def test_augmentation_differs_between_epochs():
    loader = DataLoader(ArrayDataset(X, Y), batch_size=23, transform=AUGMENT)
    first, second = (next(iter(loader))[0].numpy() for _ in range(2))
    assert (first != second).any()


def test_whole_batches_equal_single_samples():
    def one_by_one(x, rng):
        return Scale()(x)

    for dataset in (ArrayDataset(X, Y), Subset(ArrayDataset(X, Y), range(5, 20))):
        fast = DataLoader(dataset, batch_size=4, transform=Scale())
        assert_equal_batches(fast, DataLoader(dataset, batch_size=4, transform=one_by_one))
    assert_equal_batches(
        DataLoader(ArrayDataset(X, Y, transform=Scale()), batch_size=4),
        DataLoader(ArrayDataset(X, Y, transform=one_by_one), batch_size=4),
    )


def test_arrays_without_transform_are_indexed_at_once():
    class Watched(ArrayDataset):
        def sample(self, index, rng):
            raise AssertionError("a single sample was drawn")

    assert len(list(DataLoader(Watched(X, Y), batch_size=4, shuffle=True))) == 6


def test_batches_do_not_share_memory_with_the_data():
    data = np.zeros(4)
    batch = next(iter(DataLoader(ArrayDataset(data), batch_size=4)))[0]
    batch.data[:] = 1
    assert not data.any()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("prefetch", [1, 4])
def test_threads_make_the_same_batches(workers, prefetch):
    def loader(workers):
        return DataLoader(
            ArrayDataset(X, Y),
            batch_size=3,
            shuffle=True,
            seed=9,
            transform=AUGMENT,
            workers=workers,
            prefetch=prefetch,
        )

    alone, helped = loader(0), loader(workers)
    for _ in range(2):
        assert_equal_batches(helped, alone)


def test_default_collate():
    batch = default_collate(
        [(np.zeros((2, 3)), 1, 0.5, np.float64(2)), (np.ones((2, 3)), 2, 1.5, np.float64(3))]
    )
    assert [part.shape for part in batch] == [(2, 2, 3), (2,), (2,), (2,)]
    assert [part.dtype for part in batch] == [np.float64, np.int64, np.float32, np.float64]
    assert [part.tolist() for part in default_collate([1, 2])] == [[1, 2]]


def test_collate_errors():
    with pytest.raises(ShapeError, match=r"collate: element 0 has different shapes: \(2,\), \(3,\)"):
        default_collate([(np.zeros(2),), (np.zeros(3),)])
    with pytest.raises(ShapeError, match=r"collate: samples have different numbers of elements: \[1, 2\]"):
        default_collate([(1,), (1, 2)])
    with pytest.raises(
        LoadingError, match=r"the samples 0, 1 do not make a batch: ShapeError: collate: element 0"
    ):
        list(DataLoader([np.zeros(2), np.zeros(3)], batch_size=2))


def test_custom_collate():
    def collate(samples):
        return np.stack([x for x, _ in samples]), [str(y) for _, y in samples]

    x, names = next(iter(DataLoader(ArrayDataset(X, Y), batch_size=2, collate=collate)))
    assert type(x) is Tensor and names == ["0", "1"]
    whole = next(iter(DataLoader(ArrayDataset(X, Y), batch_size=2, collate=len)))
    assert whole == 2


def test_a_failing_sample_is_named():
    def fail(x, rng):
        if x[0, 0, 0] == X[7, 0, 0, 0]:
            raise ValueError("bad pixels")
        return x

    with pytest.raises(
        LoadingError, match=r"DataLoader: sample 7 in epoch 0 failed: ValueError: bad pixels"
    ) as caught:
        list(DataLoader(ArrayDataset(X, Y), batch_size=5, transform=fail))
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_failing_batched_transform_names_the_sample():
    with pytest.raises(
        LoadingError, match=r"sample 0 in epoch 0 failed: DTypeError: Scale: x should be uint8"
    ):
        list(DataLoader(ArrayDataset(X.astype(np.float32)), batch_size=5, transform=Scale()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size should be at least 1, not 0"),
        ({"batch_size": 2.5}, "batch_size should be an integer, not 2.5"),
        ({"seed": -1}, "seed should be at least 0, not -1"),
        ({"workers": -1}, "workers should be at least 0, not -1"),
        ({"prefetch": 0}, "prefetch should be at least 1, not 0"),
        ({"worker_type": "fork"}, "worker_type should be 'thread' or 'process', not 'fork'"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ArgumentError, match=f"DataLoader: {message}"):
        DataLoader(ArrayDataset(Y), **arguments)
