"""What the arithmetic studies ask about: operands, spelled numbers, counted digits, and grids."""

import numpy as np
import pytest

from tinynet.data import ImageSplit
from tinynet.errors import ArgumentError
from tinynet.recipes.arithmetic import counting
from tinynet.recipes.arithmetic.grid import MOVES, SIZE, GridWorld
from tinynet.recipes.arithmetic.spelling import VOCABULARY, read, spell
from tinynet.recipes.arithmetic.spoken_numbers import encode, split_numbers
from tinynet.recipes.arithmetic.tasks import NUMBERS, OPERATIONS, SECTIONS

WAIT, UP, DOWN, LEFT, RIGHT = range(5)

# Operands


@pytest.mark.parametrize("task", [NUMBERS, SECTIONS])
def test_results_are_those_of_the_sums_of_the_sections(task, rng):
    sections = task.draw_sections(3, rng)
    x, results = task.draw(sections, 7, task.inside, rng)
    assert x.shape == (3, 7, task.size)
    assert results.shape == (len(OPERATIONS), 3, 7, 1)
    assert x.dtype == results.dtype == np.float32
    for seed in range(3):
        a, b = (x[seed][:, sections[seed, :, operand] == 1].sum(axis=1) for operand in (0, 1))
        expected = [a + b, a - b, a * b, a / b, a**2, a**0.5]
        np.testing.assert_allclose(results[:, seed, :, 0], expected, rtol=1e-4, atol=1e-4)


def test_sections_are_runs_of_the_lengths_they_may_have(rng):
    sections = SECTIONS.draw_sections(20, rng)
    assert set(np.unique(sections)) == {0, 1}
    lengths = sections.sum(axis=1)
    assert lengths.min() >= 5
    assert lengths.max() <= 20
    begins = (np.diff(sections, axis=1, prepend=0) == 1).sum(axis=1)
    assert (begins == 1).all()


@pytest.mark.parametrize("task", [NUMBERS, SECTIONS])
def test_numbers_outside_were_never_seen_inside(task, rng):
    sections = task.draw_sections(2, rng)
    for bounds in (task.inside, task.outside):
        x, _ = task.draw(sections, 500, bounds, rng)
        assert bounds[0] <= x.min() < x.max() <= bounds[1]
    assert task.inside[1] <= task.outside[0]


# Spelled numbers


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (7, "seven"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety nine"),
        (100, "one hundred"),
        (515, "five hundred fifteen"),
        (1000, "one thousand"),
        (30_002, "thirty thousand two"),
        (987_654, "nine hundred eighty seven thousand six hundred fifty four"),
    ],
)
def test_numbers_are_spelled_and_read(number, words):
    assert " ".join(spell(number)) == words
    assert read(words.split()) == number


def test_every_spelling_is_read_back():
    numbers = [*range(3000), *range(3000, 1_000_000, 997), 999_999]
    spellings = [tuple(spell(number)) for number in numbers]
    assert [read(words) for words in spellings] == numbers
    assert len(set(spellings)) == len(numbers)
    assert {word for words in spellings for word in words} == set(VOCABULARY)


@pytest.mark.parametrize("number", [-1, 1_000_000])
def test_numbers_that_cannot_be_spelled(number):
    with pytest.raises(ArgumentError, match=f"between 0 and 999,999, not be {number}"):
        spell(number)


@pytest.mark.parametrize(
    "words", ["", "hundred", "one two", "twenty eleven", "five six hundred", "one and two", "zero thousand"]
)
def test_words_that_spell_no_number(words):
    with pytest.raises(ArgumentError, match="these words spell no number"):
        read(words.split())


def test_the_split_of_the_numbers(rng):
    training, validation, test = split_numbers(rng)
    assert [len(part) for part in (training, validation, test)] == [169, 200, 630]
    assert sorted(np.concatenate([training, validation, test])) == list(range(1, 1000))
    assert set(range(1, 21)) <= set(training)
    words = {word for number in training for word in spell(number)}
    assert words == set(VOCABULARY) - {"zero", "thousand"}


def test_words_as_indices():
    words, lengths = encode([7, 515])
    assert lengths.tolist() == [1, 3]
    assert [VOCABULARY[index] for index in words[1, :3]] == ["five", "hundred", "fifteen"]


# Counted digits


def test_the_answers_about_a_sequence_of_digits():
    labels = np.array([[1, 1, 9], [0, 5, 5]])
    counts = counting.TASKS["count"].answer(labels)
    np.testing.assert_array_equal(counts[0], [0, 2, 0, 0, 0, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(counts[1], [1, 0, 0, 0, 0, 2, 0, 0, 0, 0])
    np.testing.assert_array_equal(counting.TASKS["sum"].answer(labels), [[11], [10]])


def test_sequences_are_indices_into_the_split(rng):
    split = ImageSplit(np.zeros((6, 8, 8, 1), np.float32), np.arange(6))
    indices = counting.draw_sequences(split, 200, 4, rng)
    assert indices.shape == (200, 4)
    assert set(np.unique(indices)) == set(range(6))


# Grids


def world_at(position, goal, time, rng):
    world = GridWorld([time], rng)
    world.positions[:], world.goals[:], world.times[:] = position, goal, time
    return world


def test_moves_lead_where_they_say_and_not_off_the_grid(rng):
    world = world_at((0, 1), (4, 4), 9, rng)
    for move, expected in [(UP, (0, 1)), (LEFT, (0, 0)), (LEFT, (0, 0)), (DOWN, (1, 0)), (RIGHT, (1, 1))]:
        world.step(np.array([move]))
        assert tuple(world.positions[0]) == expected
    world.step(np.array([WAIT]))
    assert tuple(world.positions[0]) == (1, 1)
    assert world.time == 6
    assert len(MOVES) == 5


@pytest.mark.parametrize(
    ("moves", "rewards", "running"),
    [
        ([RIGHT, RIGHT], [0, 0], [True, False]),  # too early
        ([RIGHT, WAIT, RIGHT], [0, 0, 1], [True, True, False]),  # on time
        ([WAIT, WAIT, RIGHT, RIGHT], [0, 0, 0, 0], [True, True, False, False]),  # too late
    ],
)
def test_the_reward_is_for_those_that_arrive_on_time(moves, rewards, running, rng):
    world = world_at((2, 2), (2, 4), 3, rng)
    for move, reward, goes_on in zip(moves, rewards, running, strict=True):
        assert world.step(np.array([move])).tolist() == [reward]
        assert world.running.tolist() == [goes_on]


def test_grids_that_have_ended_stay_as_they_are(rng):
    world = world_at((2, 3), (2, 4), 3, rng)
    for move in (RIGHT, LEFT, RIGHT):
        world.step(np.array([move]))
    assert tuple(world.positions[0]) == (2, 4)


def test_every_grid_can_be_done_in_time(rng):
    world = GridWorld(np.full(500, 2), rng)
    assert (world.distances > 0).all()
    assert (world.times >= world.distances).all()
    assert world.times.min() == 2
    assert world.positions.min() >= 0
    assert world.goals.max() < SIZE


def test_the_way_is_known_by_its_index(rng):
    world = GridWorld(np.full(2000, 9), rng)
    rows, columns = np.divmod(world.ways, 2 * SIZE - 1)
    np.testing.assert_array_equal(
        np.stack([rows, columns], axis=1) - (SIZE - 1), world.goals - world.positions
    )
    assert len(np.unique(world.ways)) == (2 * SIZE - 1) ** 2 - 1  # all but standing at the goal


def test_a_time_must_be_in_the_future(rng):
    with pytest.raises(ArgumentError, match="GridWorld: times must be at least 1, not 0"):
        GridWorld([3, 0], rng)
