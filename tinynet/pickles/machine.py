"""Reading pickles as data: a machine that knows the harmless instructions, and no others.

A pickle is a program for a machine with a stack. Python's own machine imports whatever a pickle names and
calls it, so that a pickle from a stranger runs the stranger's code. Here nothing is imported, and nothing is
called but the builders that the caller has listed by name.

`pickletools` splits the bytes into instructions; it reads and never runs them.
"""

import pickletools

__all__ = ["Name", "PickleError", "PickledMapping", "PickledObject", "read_pickle"]

MAX_BYTES = 1 << 24
# An instruction of one byte can take some sixty bytes of memory: this many cannot fill it.
MAX_INSTRUCTIONS = 2_000_000
KEY_TYPES = (str, bytes, int, float, type(None))


class PickleError(ValueError):
    """A pickle is damaged, or wants something that is not allowed."""


class Name:
    """What a pickle refers to as ``module.name``: one of the names that the caller allows."""

    __slots__ = ("build", "name")

    def __init__(self, name, build):
        self.name = name
        self.build = build


class PickledObject:
    """Base of what builders make, where the pickle may hand over the content later."""

    __slots__ = ()

    def receive_state(self, state):
        """Takes what the pickle says about the object's content."""


class PickledMapping(PickledObject, dict):
    """Stands for `collections.OrderedDict`; attributes that were set on it are passed over."""

    __slots__ = ()

    def __init__(self, pairs=()):
        super().__init__()
        for pair in pairs:
            key, value = pair
            self[_checked_key(key)] = value


def read_pickle(file, names, persistent=None, byte_strings=False, max_bytes=MAX_BYTES):
    """Reads one pickle of protocol 2 to 5, made of plain data and of what builders make.

    Args:
        file: an open binary file, at the beginning of the pickle; it is left right behind the pickle.
        names: the names ``"module.name"`` that the pickle may refer to. A value that can be called builds
            the object when the pickle calls the name; None stands for a name that is only mentioned.
        persistent: called with what the pickle says of an object that lies outside of it; its result
            takes the object's place. None allows no such objects.
        byte_strings: whether the strings of Python 2 are bytes; otherwise they are Latin-1 text.
        max_bytes: longer pickles are refused.

    Raises:
        PickleError: the pickle is damaged, too long, or wants anything else.
    """
    try:
        return _Machine(names, persistent, byte_strings).run(_BoundedFile(file, max_bytes))
    except PickleError:
        raise
    except Exception as error:  # pickletools and the builders meet arbitrary bytes and arguments
        raise PickleError(f"damaged pickle: {error or type(error).__name__}") from error


class _BoundedFile:
    """As much of a file as `pickletools` may read."""

    def __init__(self, file, limit):
        self.file = file
        self.limit = limit
        self.left = limit

    def read(self, length):
        # Compared first: reading may take memory for as many bytes as are asked for.
        self._take(length)
        return self.file.read(length)

    def readline(self):
        line = self.file.readline(self.left + 1)
        self._take(len(line))
        return line

    def tell(self):
        return self.limit - self.left

    def _take(self, length):
        if length > self.left:
            raise PickleError(f"the pickle has, or announces, more than {self.limit:,} bytes")
        self.left -= length


class _Machine:
    def __init__(self, names, persistent, byte_strings):
        self.names = names
        self.persistent = persistent
        self.byte_strings = byte_strings
        self.stack = []
        self.marks = []
        self.memo = {}

    def run(self, file):
        for count, (opcode, argument, position) in enumerate(pickletools.genops(file)):
            if count >= MAX_INSTRUCTIONS:
                raise PickleError(f"the pickle has more than {MAX_INSTRUCTIONS:,} instructions")
            action = ACTIONS.get(opcode.name)
            if action is None:
                raise PickleError(f"instruction {opcode.name} at byte {position} is not allowed")
            action(self, argument)
        return self.pop()

    # The stack

    def push(self, value):
        self.stack.append(value)

    def pop(self):
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise PickleError("damaged pickle: it takes more from the stack than there is")
        return self.stack.pop()

    def pop_many(self, count):
        return [self.pop() for _ in range(count)][::-1]

    def pop_to_mark(self):
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def top(self, kind):
        self.push(self.pop())
        if not isinstance(self.stack[-1], kind):
            raise PickleError(f"damaged pickle: found {type(self.stack[-1]).__name__}, not {kind.__name__}")
        return self.stack[-1]

    # Instructions with more to do than to push something

    def mark(self, _):
        self.marks.append(len(self.stack))

    def push_string(self, text):
        self.push(text.encode("latin-1") if self.byte_strings else text)

    def push_marked_tuple(self, _):
        self.push(tuple(self.pop_to_mark()))

    def append(self, _):
        value = self.pop()
        self.top(list).append(value)

    def append_marked(self, _):
        values = self.pop_to_mark()
        self.top(list).extend(values)

    def set_item(self, _):
        key, value = self.pop_many(2)
        self.top(dict)[_checked_key(key)] = value

    def set_marked_items(self, _):
        values = self.pop_to_mark()
        target = self.top(dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_checked_key(key)] = value

    def remember(self, index):
        value = self.pop()
        self.push(value)
        self.memo[len(self.memo) if index is None else index] = value

    def recall(self, index):
        self.push(self.memo[index])

    def refer(self, module_and_name):
        self.push_name(*module_and_name.split(" ", 1))

    def refer_by_stack(self, _):
        module, name = self.pop_many(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise PickleError("damaged pickle: it refers to a name that is no text")
        self.push_name(module, name)

    def push_name(self, module, name):
        full_name = f"{module}.{name}"
        if full_name not in self.names:
            raise PickleError(f"{full_name[:200]} is not allowed")
        self.push(Name(full_name, self.names[full_name]))

    def call(self, _):
        name, arguments = self.pop_many(2)
        if not isinstance(name, Name) or name.build is None or not isinstance(arguments, tuple):
            raise PickleError("it calls something that cannot be called")
        self.push(name.build(*arguments))

    def hand_over_state(self, _):
        target, state = self.pop_many(2)
        if not isinstance(target, PickledObject):
            raise PickleError("it sets the state of something that has none")
        target.receive_state(state)
        self.push(target)

    def load_persistent(self, _):
        if self.persistent is None:
            raise PickleError("it refers to an object outside of the pickle")
        self.push(self.persistent(self.pop()))


def _checked_key(key):
    # The hash of nested tuples can take exponential time.
    if not isinstance(key, KEY_TYPES):
        raise PickleError(f"a dictionary has a key of type {type(key).__name__}")
    return key


def _push_constant(make):
    return lambda machine, _: machine.push(make())


def _push_tuple(length):
    return lambda machine, _: machine.push(tuple(machine.pop_many(length)))


def _nothing(machine, _):
    pass


ACTIONS = {
    "PROTO": _nothing,
    "FRAME": _nothing,
    "STOP": _nothing,
    "MARK": _Machine.mark,
    "POP": lambda machine, _: machine.pop(),
    "NONE": _push_constant(lambda: None),
    "NEWTRUE": _push_constant(lambda: True),
    "NEWFALSE": _push_constant(lambda: False),
    "EMPTY_LIST": _push_constant(list),
    "EMPTY_DICT": _push_constant(dict),
    "EMPTY_TUPLE": _push_constant(tuple),
    "TUPLE1": _push_tuple(1),
    "TUPLE2": _push_tuple(2),
    "TUPLE3": _push_tuple(3),
    "TUPLE": _Machine.push_marked_tuple,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.append_marked,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_marked_items,
    "MEMOIZE": _Machine.remember,
    "GLOBAL": _Machine.refer,
    "STACK_GLOBAL": _Machine.refer_by_stack,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.hand_over_state,
    "BINPERSID": _Machine.load_persistent,
}
ACTIONS.update(
    dict.fromkeys(
        (
            *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
            *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
        ),
        _Machine.push,
    )
)
ACTIONS.update(dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), _Machine.push_string))
ACTIONS.update(dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.remember))
ACTIONS.update(dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.recall))
