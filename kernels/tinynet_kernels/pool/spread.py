"""What goes back to windows that do not overlap: each output is read once, and its window is written.

In general an input lies in several windows, and its gradient is gathered from all of them. Where every
input lies in one window at most it is faster the other way round, and no two outputs write to the same place
either. The roles of the operands are those of a forward sweep: `source` is where the inputs are, now written;
`target` is where the outputs are, now read, and `extra` what else there is for each output.
"""

from tinynet_kernels.simd.window import Operation

__all__ = ["ChosenSpread", "ScaledSpread"]


class ChosenSpread(Operation):
    """Writes each value to the place whose number lies in `extra`, and 0 to the rest of its window."""

    def start(self, sees_something, first_tap):
        emit = self.emit
        self.values, self.marks = [], []
        for pixel in self.pixels:
            values, marks = self.at(self.target, pixel), self.at(self.extra, pixel)
            self.values.append([emit.load(values, v, self.masks[v]) for v in self.vectors])
            self.marks.append([emit.load_marks(marks, v, self.masks[v]) for v in self.vectors])

    def step(self, tap, source, beside):
        emit, tap = self.emit, self.emit.broadcast_integer(tap)
        for pixel, v in self.each():
            is_chosen = emit.builder.icmp_signed("==", self.marks[pixel][v], tap)
            value = emit.builder.select(is_chosen, self.values[pixel][v], emit.zeros())
            emit.store(value, self.along(source, self.source, pixel), v, self.masks[v])

    def finish(self):
        pass


class ScaledSpread(Operation):
    """Writes each value times a number, one for all channels, which lies in `extra`, to its whole window."""

    def start(self, sees_something, first_tap):
        emit = self.emit
        self.values = []
        for pixel in self.pixels:
            address, factor = self.at(self.target, pixel), emit.load_everywhere(self.at(self.extra, pixel))
            values = [emit.load(address, v, self.masks[v]) for v in self.vectors]
            self.values.append([emit.builder.fmul(value, factor) for value in values])

    def step(self, tap, source, beside):
        for pixel, v in self.each():
            address = self.along(source, self.source, pixel)
            self.emit.store(self.values[pixel][v], address, v, self.masks[v])

    def finish(self):
        pass
