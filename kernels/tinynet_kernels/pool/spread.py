"""What goes back to windows that do not overlap: each output is read once, and its window is written.

In general an input lies in several windows, and its gradient is gathered from all of them. Where every
input lies in one window at most it is faster the other way round, and no two outputs write to the same place
either. The roles of the operands are those of a forward sweep: `source` is where the inputs are, now written;
`target` is where the outputs are, now read, and `extra` what else there is for each output.

If `floor` is above 0, whole vectors are written past the cache, see `tinynet_kernels.simd.streaming`; then
all of them must begin at a multiple of their size.
"""

from llvmlite import ir

from tinynet_kernels.simd.window import Operation

__all__ = ["ChosenSpread", "ScaledSpread"]


class _Spread(Operation):
    """Writes something to every place of the windows."""

    def write(self, values, place):
        """Writes `values`, lists of vectors, one per pixel, to one place of the windows: that of pixel 0."""
        if not self.is_wide():
            self._store(values, place)
            return
        builder = self.emit.builder
        is_past_cache = builder.fcmp_ordered(">", self.floor, ir.Constant(self.floor.type, 0.0))
        with builder.if_else(is_past_cache) as (past_cache, through_cache):
            with past_cache:
                self._store_past_cache(values, place)
            with through_cache:
                self._store(values, place)

    def _store(self, values, place):
        for pixel, v in self.each():
            self.emit.store(values[pixel][v], self.along(place, self.source, pixel), v, self.masks[v])

    def _store_past_cache(self, values, place):
        emit, hint = self.emit, self.emit.builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        for pixel, v in self.each():
            first = self.along(place, self.source, pixel)
            address = emit.builder.add(first, ir.Constant(first.type, v * emit.vector_bytes))
            pointer = emit.builder.inttoptr(address, emit.vector.as_pointer())
            store = emit.builder.store(values[pixel][v], pointer, align=emit.vector_bytes)
            store.set_metadata("nontemporal", hint)

    def finish(self):
        pass


class ChosenSpread(_Spread):
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
        chosen = [[emit.zeros() for _ in self.vectors] for _ in self.pixels]
        for pixel, v in self.each():
            is_chosen = emit.builder.icmp_signed("==", self.marks[pixel][v], tap)
            chosen[pixel][v] = emit.builder.select(is_chosen, self.values[pixel][v], emit.zeros())
        self.write(chosen, source)


class ScaledSpread(_Spread):
    """Writes each value times a number, one for all channels, which lies in `extra`, to its whole window."""

    def start(self, sees_something, first_tap):
        emit = self.emit
        self.values = []
        for pixel in self.pixels:
            address, factor = self.at(self.target, pixel), emit.load_everywhere(self.at(self.extra, pixel))
            values = [emit.load(address, v, self.masks[v]) for v in self.vectors]
            self.values.append([emit.builder.fmul(value, factor) for value in values])

    def step(self, tap, source, beside):
        self.write(self.values, source)
