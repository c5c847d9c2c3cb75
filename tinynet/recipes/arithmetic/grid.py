"""A grid on which agents must arrive at a goal at a given time, neither earlier nor later."""

import numpy as np

from tinynet.errors import ArgumentError

__all__ = ["MOVES", "SIZE", "GridWorld"]

SIZE = 5

# Rows and columns; the first is to wait.
MOVES = np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)])


class GridWorld:
    """Many episodes at once, each on a grid of its own, 5 × 5 fields.

    An agent that enters the goal ends its episode. The reward is 1 if that happened exactly at the time of
    the episode, counted in steps from the start, and 0 if it came earlier; when the time has passed, the
    episode ends without a reward. A move off the grid is a wait. Start and goal are random and differ.

    Args:
        times: integers (N,), when to arrive. Where the way is longer than that, its length is the time.
        generator: a `numpy.random.Generator`.

    Attributes:
        positions, goals: rows and columns, (N, 2).
        times: (N,).
        time: how many steps were made.
        running: (N,), whether the episode goes on.

    Raises:
        ArgumentError: a time below 1.

    Trask et al., "Neural arithmetic logic units", 2018, section 4.5, has agents that keep such times.
    """

    def __init__(self, times, generator):
        times = np.asarray(times)
        if times.size and times.min() < 1:
            raise ArgumentError(f"GridWorld: times must be at least 1, not {times.min()}")
        fields = SIZE * SIZE
        starts = generator.integers(0, fields, times.size)
        ends = (starts + generator.integers(1, fields, times.size)) % fields
        self.positions, self.goals = (np.stack(np.divmod(cells, SIZE), axis=1) for cells in (starts, ends))
        self.times = np.maximum(times, self.distances)
        self.time = 0
        self.running = np.ones(times.size, bool)

    @property
    def distances(self):
        """(N,): how many steps it is to the goal."""
        return np.abs(self.goals - self.positions).sum(axis=1)

    @property
    def ways(self):
        """(N,): how many rows and columns away the goal is, as one index from 0 to 80."""
        span = 2 * SIZE - 1
        rows, columns = (self.goals - self.positions + SIZE - 1).T
        return rows * span + columns

    def step(self, actions):
        """Makes one step in all episodes that go on.

        Args:
            actions: (N,), rows of `MOVES`.

        Returns:
            The rewards (N,), float32.
        """
        moved = np.clip(self.positions + MOVES[actions], 0, SIZE - 1)
        self.positions = np.where(self.running[:, np.newaxis], moved, self.positions)
        self.time += 1
        arrived = self.running & (self.distances == 0)
        rewards = (arrived & (self.time == self.times)).astype(np.float32)
        self.running = self.running & ~arrived & (self.time < self.times)
        return rewards
