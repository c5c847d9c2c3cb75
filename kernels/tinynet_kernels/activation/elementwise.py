"""What all elementwise functions share; their tasks are loops over the elements of a block."""

from tinynet_kernels.blocks import run_blocks
from tinynet_kernels.memory import empty

__all__ = ["calculate"]


def calculate(task, *arrays, alone, parameters=()):
    """The result of a task for arrays of one shape and dtype.

    Args:
        task: for `run_blocks`; the result has the number that follows those of the arrays.
        arrays: what it reads.
        alone: with fewer elements than this, waking another thread takes longer than it helps.
        parameters: numbers, see there.
    """
    first = arrays[0]
    result = empty(first.shape, first.dtype)
    if result.size:
        run_blocks(task, (*arrays, result), result.size, alone=alone, parameters=parameters)
    return result
