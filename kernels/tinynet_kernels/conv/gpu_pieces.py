"""What all convolution kernels on the GPU need: the geometry as numbers, and batches that they can count."""

from functools import lru_cache
from math import prod

import numpy as np

from tinynet_kernels.windows import Volume

__all__ = ["THREADS", "fits", "geometry_of", "pieces"]

THREADS = 256  # of a block, where nothing speaks for another number

_MOST_ELEMENTS = 2**31 - 1  # of an array, whose places the kernels compute with 32 bits


@lru_cache(maxsize=4096)
def geometry_of(input_size, kernel_size, stride, padding, dilation):
    """The arguments that every kernel ends with, as in windows.cuh."""
    volume = Volume(input_size, kernel_size, stride, padding, dilation)
    return tuple(np.int32(number) for axis in volume.axes for number in axis)


def fits(*shapes):
    """Whether arrays of all these shapes have so few elements that the kernels can count them."""
    return all(prod(shape) <= _MOST_ELEMENTS for shape in shapes)


def pieces(*arrays, elements_beside=0, most_elements=None):
    """Arrays (N, ...) cut along the first axis, so that the kernels can count the elements of each piece.

    Args:
        elements_beside: of each image in a further array, which shall have no more either.
        most_elements: fewer than the kernels can count.

    Returns:
        A list of tuples, with a piece of each array.
    """
    images = len(arrays[0])
    if not images:
        return []
    largest = max(1, elements_beside, *(array.size // images for array in arrays))
    size = max(1, (most_elements or _MOST_ELEMENTS) // largest)
    if size >= images:
        return [arrays]
    return [tuple(array[first : first + size] for array in arrays) for first in range(0, images, size)]
