"""Version counters: finding out whether an array was changed in place after it was saved.

One clock ticks for every recorded operation and every in-place change. A recorded operation carries
the time at which it was made; the memory behind a changed array is stamped with the time of its last
change. A saved array is damaged when its memory carries a later time than the operation that saved it.
Views share the stamp of the memory that they look into, so a change through any view is seen.

Only changes made through tinynet are counted: ``tensor[...] = value``, ``Tensor.copy_``, optimisers,
``load_state_dict``. Writing into ``tensor.data`` behind the engine's back is not.
"""

import itertools

__all__ = ["changed_since", "mark_changed", "tick"]

tick = itertools.count(1).__next__
_last_change: dict[int, int] = {}

# The time of the latest change of all. Nothing that was saved later can be damaged, which is so for
# almost everything: optimisers change their parameters between backward and the next forward.
latest_change = 0


def memory_of(array):
    """The array that owns the memory into which `array` looks."""
    kind = type(array)
    base = array.base
    while isinstance(base, kind):
        array = base
        base = array.base
    return array


def mark_changed(array):
    """Notes that the memory of `array` was just changed in place."""
    # The key is an address, which may be used again once the array is gone. The stale time is then
    # earlier than anything recorded about the new array, so it can never raise a false alarm.
    global latest_change
    latest_change = _last_change[id(memory_of(array))] = tick()


def changed_since(array, time):
    """Whether the memory of `array` was changed in place after `time`."""
    return latest_change > time and _last_change.get(id(memory_of(array)), 0) > time
