"""Numbers to calculate with: two operands that are given, or are sums of parts of a vector.

Source: Trask et al., "Neural arithmetic logic units", 2018, section 4.1, the static task.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["NUMBERS", "OPERATIONS", "SECTIONS", "Task"]

OPERATIONS = {
    "a + b": lambda a, b: a + b,
    "a − b": lambda a, b: a - b,
    "a · b": lambda a, b: a * b,
    "a / b": lambda a, b: a / b,
    "a²": lambda a, b: a * a,
    "√a": lambda a, b: np.sqrt(a),
}


@dataclass(frozen=True)
class Task:
    """What the operands of `OPERATIONS` are made of.

    Attributes:
        size: how many numbers a network is given. Of two, each is an operand; of more, an operand is the sum
            of a section of them, which is drawn once and stays the same.
        inside, outside: the ranges of these numbers in training and of those that were never seen.
        section: the least and the greatest length of a section.
    """

    size: int
    inside: tuple[float, float]
    outside: tuple[float, float]
    section: tuple[int, int] = (1, 1)

    def draw_sections(self, seeds, generator):
        """Which numbers an operand is the sum of: zeros and ones (seeds, size, 2), float32."""
        if self.size == 2:
            return np.broadcast_to(np.eye(2, dtype=np.float32), (seeds, 2, 2))
        sections = np.zeros((seeds, self.size, 2), np.float32)
        for one in sections:
            for operand in range(2):
                length = generator.integers(self.section[0], self.section[1] + 1)
                start = generator.integers(0, self.size - length + 1)
                one[start : start + length, operand] = 1
        return sections

    def draw(self, sections, count, bounds, generator):
        """Numbers from within the bounds, and the results of all operations.

        Args:
            sections: (seeds, size, 2).
            count: how many samples N to draw for each seed.
            bounds: `inside` or `outside`.
            generator: a `numpy.random.Generator`.

        Returns:
            The numbers (seeds, N, size) and the results (operations, seeds, N, 1), float32.
        """
        low, high = map(np.float32, bounds)
        x = low + (high - low) * generator.random((len(sections), count, self.size), np.float32)
        a, b = np.moveaxis(x @ sections, -1, 0)
        results = np.stack([calculate(a, b) for calculate in OPERATIONS.values()])
        return x, results[..., np.newaxis]


NUMBERS = Task(size=2, inside=(0.5, 5.0), outside=(5.0, 50.0))
SECTIONS = Task(size=100, inside=(1.0, 2.0), outside=(2.0, 6.0), section=(5, 20))
