"""Data sets made of arrays and of other data sets."""

import numpy as np
import pytest

from tinynet.data import ArrayDataset, ConcatDataset, DataLoader, Dataset, MapDataset, Subset, random_split
from tinynet.data.datasets import sample_rng
from tinynet.errors import ArgumentError, ShapeError


class Squares:
    """A data set that knows nothing of tinynet."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return np.float32(index), index * index


def add_noise(x, rng):
    return x + rng.random()


def test_array_dataset():
    x, y = np.arange(12.0).reshape(4, 3), np.arange(4)
    dataset = ArrayDataset(x, y)
    assert len(dataset) == 4
    row, label = dataset[-1]
    np.testing.assert_array_equal(row, [9, 10, 11])
    assert label == 3
    batch = dataset.batch(np.array([2, 0]))
    np.testing.assert_array_equal(batch[0], x[[2, 0]])
    np.testing.assert_array_equal(batch[1], [2, 0])


@pytest.mark.parametrize("index", [4, -5])
def test_indices_outside(index):
    with pytest.raises(IndexError, match=f"sample {index} of a data set of 4"):
        ArrayDataset(np.zeros(4))[index]


def test_iterating_over_a_data_set_ends():
    assert [int(sample[0]) for sample in ArrayDataset(np.arange(3))] == [0, 1, 2]


@pytest.mark.parametrize("arrays", [(np.zeros((3, 2)), np.zeros(4)), (np.float32(1),)])
def test_arrays_of_different_lengths(arrays):
    with pytest.raises(
        ShapeError, match="ArrayDataset: the arrays need the same length on axis 0, not shapes"
    ):
        ArrayDataset(*arrays)


def test_no_arrays():
    with pytest.raises(ArgumentError, match="at least one array"):
        ArrayDataset()


def test_transform_is_reproducible_and_differs_between_samples():
    dataset = ArrayDataset(np.zeros(3), transform=add_noise)
    assert dataset[1] == dataset[1] == dataset[-2]
    assert dataset[1] != dataset[2]
    assert dataset[1] == (sample_rng(0, 0, 1).random(),)
    assert dataset.batch(np.array([0])) is NotImplemented


def test_indexing_gives_what_epoch_0_of_a_loader_gives():
    dataset = ArrayDataset(np.zeros(3), transform=add_noise)
    loaded = [batch[0].numpy()[0] for batch in DataLoader(dataset)]
    assert loaded == [sample[0] for sample in dataset]


def test_randomness_of_a_sample_depends_on_seed_epoch_and_index():
    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert len({sample_rng(*key).random() for key in keys}) == len(keys)
    assert sample_rng(0, 1, 0).random() != np.random.default_rng((0, 1)).random()


def test_subset_keeps_order_and_passes_randomness_on():
    dataset = ArrayDataset(np.arange(5.0))
    subset = Subset(dataset, [3, -5, 3])
    assert [sample[0] for sample in subset] == [3, 0, 3]
    np.testing.assert_array_equal(subset.batch(np.array([2, 1]))[0], [3, 0])
    noisy = Subset(ArrayDataset(np.zeros(5), transform=add_noise), [4])
    assert noisy[0] == (sample_rng(0, 0, 0).random(),)
    with pytest.raises(IndexError, match="sample 5 of a data set of 5"):
        Subset(dataset, [5])


def test_concat():
    dataset = ConcatDataset(ArrayDataset(np.arange(2)), ArrayDataset(np.zeros(0)), Squares())
    assert len(dataset) == 7
    assert [int(sample[0]) for sample in dataset] == [0, 1, 0, 1, 2, 3, 4]
    with pytest.raises(IndexError):
        dataset[7]
    with pytest.raises(ArgumentError, match="at least one data set"):
        ConcatDataset()


def test_map():
    swapped = MapDataset(Squares(), lambda x, y: (y, x))
    assert swapped[3] == (9, 3)
    single = MapDataset([1, 2, 3], lambda x: x * 10)
    assert list(single) == [10, 20, 30]


def test_subclasses_need_only_len_and_getitem():
    class Countdown(Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return 3 - index

    batches = [batch[0].numpy().tolist() for batch in DataLoader(Countdown(), batch_size=2)]
    assert batches == [[3, 2], [1]]


def test_subclasses_without_definitions_say_so():
    class Lacking(Dataset):
        pass

    with pytest.raises(NotImplementedError, match="Lacking defines neither sample nor __getitem__"):
        Lacking()[0]
    with pytest.raises(NotImplementedError, match="Lacking does not define __len__"):
        len(Lacking())


@pytest.mark.parametrize(
    ("parts", "lengths"),
    [
        ([7, 3], [7, 3]),
        ([0.7, 0.3], [7, 3]),
        ([0.85, 0.15], [9, 1]),
        ([1 / 3, 1 / 3, 1 / 3], [4, 3, 3]),
        ([1.0], [10]),
        ([10, 0], [10, 0]),
    ],
)
def test_random_split(parts, lengths):
    dataset = ArrayDataset(np.arange(10))
    subsets = random_split(dataset, parts, seed=3)
    assert [len(subset) for subset in subsets] == lengths
    together = [int(sample[0]) for subset in subsets for sample in subset]
    assert sorted(together) == list(range(10))
    again = [int(sample[0]) for subset in random_split(dataset, parts, seed=3) for sample in subset]
    other = [int(sample[0]) for subset in random_split(dataset, parts, seed=4) for sample in subset]
    assert together == again != other


@pytest.mark.parametrize(
    ("parts", "message"),
    [([5, 4], "add up to 9, not to 10"), ([0.5, 0.4], "not to 1"), ([-1, 11], "must not be negative")],
)
def test_parts_that_do_not_add_up(parts, message):
    with pytest.raises(ArgumentError, match=f"random_split: .*{message}"):
        random_split(ArrayDataset(np.arange(10)), parts)
