"""Joining and taking apart on the GPU: one launch for four arrays. See gpu.cu."""

from math import prod

from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch
from tinynet_kernels.joining import reference

_source = Source(__package__)

_THREADS = 256
_PARTS = 4  # of a launch


def join(arrays, axis):
    shape = list(arrays[0].shape)
    shape[axis] = sum(array.shape[axis] for array in arrays)
    whole = empty(tuple(shape), arrays[0].dtype)
    _copy("join", whole, [contiguous(array) for array in arrays], axis)
    return whole


def split(whole, places):
    parts, axis = reference.split(whole, places), len(places[0]) - 1
    if all(part.flags.c_contiguous for part in parts):
        return parts
    parts = [empty(part.shape, part.dtype) for part in parts]
    _copy("split", contiguous(whole), parts, axis)
    return parts


def _copy(name, whole, parts, axis):
    """Copies parts to their places in the whole, or from there."""
    if not whole.size:
        return
    rows = prod(whole.shape[:axis])
    places, start = [], 0
    for part in parts:
        if part.size:
            places.append((part, start))
            start += part.size // rows
    ends = [*(start for _, start in places[1:]), start]
    for first in range(0, len(places), _PARTS):
        _launch(name, whole, places[first : first + _PARTS], ends[first : first + _PARTS][-1], rows)


def _launch(name, whole, places, end, rows):
    """Copies up to four parts, each given with its first column, the last of which has this end."""
    missing = _PARTS - len(places)
    parts = *(part for part, _ in places), *[None] * missing
    starts = *(start for _, start in places), *[end] * missing
    arrays = (*parts, *starts, end, whole) if name == "join" else (whole, *parts, *starts, end)
    blocks = blocks_for(max(part.nbytes for part, _ in places), 16 * _THREADS)
    grid = blocks, len(places)
    launch(_source.function(name, whole.dtype), grid, _THREADS, (*arrays, rows, whole.size // rows))
