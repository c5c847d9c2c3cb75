"""What an optimiser remembers of the parameters: flat arrays in the layout of the parameters' buffers.

The state of a run of parameters is then a slice, like the run itself, and one kernel call updates it. When
a parameter moves to another buffer, device or dtype, what is remembered of it moves along.
"""

from tinynet import backend
from tinynet.errors import ArgumentError
from tinynet.nn.parameter import Parameter, Run, flatten, runs

__all__ = ["FlatState"]


class FlatState:
    """The arrays of one optimiser, and how many updates each parameter has had.

    Attributes:
        updates: the count for each parameter; none for a parameter that was never updated.
    """

    def __init__(self):
        self.updates = {}
        self._segments = {}  # the arrays that go with each buffer
        self._places = {}  # for each parameter, the segment that holds its state, and where in it
        self._alone = {}

    def runs(self, tensors):
        """Yields a run and the number of updates that all its parameters have had.

        Covers the tensors that want a gradient and have one.
        """
        yield from self._split_by_updates(runs([t for t in tensors if isinstance(t, Parameter)]))
        for tensor in tensors:
            if not isinstance(tensor, Parameter) and tensor.requires_grad and tensor.grad is not None:
                buffer = self._buffer_of(tensor)
                gradient = tensor.grad.data.reshape(-1)
                run = Run(buffer.data, gradient, buffer.parameters, buffer, 0, tensor.size)
                yield run, self.updates.get(tensor, 0)

    def _split_by_updates(self, whole_runs):
        for run in whole_runs:
            counts = [self.updates.get(parameter, 0) for parameter in run.parameters]
            first = 0
            for last in range(1, len(counts) + 1):
                if last == len(counts) or counts[last] != counts[first]:
                    yield _part(run, first, last), counts[first]
                    first = last

    def count(self, run, updates):
        """Notes that the parameters of a run have had so many updates."""
        self.updates.update(dict.fromkeys(run.parameters, updates))

    def array(self, run, name):
        """The state of this name for a run, a 1-D view; zeros where there was none."""
        return self._segment(run.buffer).array(name)[run.start : run.stop]

    def arrays_of(self, tensor):
        """A copy of every array that is kept for a tensor, on the CPU, by name, in the tensor's shape."""
        if tensor not in self.updates:
            return {}
        segment, start = self._places[tensor]
        return {
            name: backend.to_numpy(array[start : start + tensor.size]).reshape(tensor.shape).copy()
            for name, array in segment.arrays.items()
        }

    def restore(self, tensors, updates, arrays):
        """Sets what is kept for each of `tensors`: its count of updates, and its arrays by name."""
        flatten([tensor for tensor in tensors if isinstance(tensor, Parameter)])
        for tensor, count, named in zip(tensors, updates, arrays, strict=True):
            if count:
                self.updates[tensor] = count
                segment = self._segment(self._buffer_of(tensor))
                for name, array in named.items():
                    segment.write(name, _start(tensor), array)

    def _buffer_of(self, tensor):
        if isinstance(tensor, Parameter):
            return tensor.buffer
        if tensor not in self._alone:
            self._alone[tensor] = _Alone(tensor)
        buffer = self._alone[tensor]
        buffer.follow()
        return buffer

    def _segment(self, buffer):
        segment = self._segments.get(buffer)
        if segment is None or segment.data is not buffer.data:
            segment = self._settle(buffer)
        return segment

    def _settle(self, buffer):
        """Makes the segment of a buffer, with what was kept elsewhere for the tensors that now live there."""
        segment = _Segment(buffer.data)
        for tensor in buffer.parameters:
            if getattr(tensor, "buffer", buffer) is not buffer:
                continue
            if tensor in self._places:
                earlier, start = self._places[tensor]
                for name, array in earlier.arrays.items():
                    segment.write(name, _start(tensor), array[start : start + tensor.size])
            self._places[tensor] = segment, _start(tensor)
        self._segments[buffer] = segment
        inhabited = {kept for kept, _ in self._places.values()}
        self._segments = {key: kept for key, kept in self._segments.items() if kept in inhabited}
        return segment


class _Segment:
    """The arrays that go with one flat buffer of parameters, which has its data in `data`."""

    def __init__(self, data):
        self.data = data
        self.arrays = {}

    def array(self, name):
        if name not in self.arrays:
            self.arrays[name] = backend.array_module(self.data).zeros_like(self.data)
        return self.arrays[name]

    def write(self, name, start, values):
        values = backend.to_device(values, backend.device_of(self.data)).reshape(-1)
        self.array(name)[start : start + values.size] = values


class _Alone:
    """Stands in for the buffer of a leaf tensor that is no parameter and has memory of its own."""

    def __init__(self, tensor):
        self.parameters = [tensor]
        self.data = self._source = None

    def follow(self):
        """Brings the flat view up to date when the tensor was given other data."""
        array = self.parameters[0].data
        if array is not self._source:
            if not array.flags.c_contiguous:
                raise ArgumentError(
                    f"optimiser: the memory of a tensor of shape {array.shape} is not contiguous, so it "
                    "cannot be updated in place; use a copy, tensor(data, requires_grad=True)"
                )
            self.data, self._source = array.reshape(-1), array


def _start(tensor):
    return tensor.start if isinstance(tensor, Parameter) else 0


def _part(run, first, last):
    """The part of a run that holds its parameters number `first` up to, not including, `last`."""
    if last - first == len(run.parameters):
        return run
    start = run.parameters[first].start
    stop = run.stop if last == len(run.parameters) else run.parameters[last].start
    return Run(
        run.data[start - run.start : stop - run.start],
        run.gradient[start - run.start : stop - run.start],
        run.parameters[first:last],
        run.buffer,
        start,
        stop,
    )
