"""`ndarray`, which stands in for CuPy's."""

import operator
import weakref
from typing import NamedTuple

import numpy as np

from cupy_stand_in import recording, streams
from cupy_stand_in.synchronisations import note

__all__ = ["ndarray", "on_device", "on_host", "without_numpy"]

_owners: weakref.WeakValueDictionary = weakref.WeakValueDictionary()


class ndarray:
    """An array "on the device". Its elements are in `_host`, where only this package looks."""

    __module__ = "cupy"
    __slots__ = ("__weakref__", "_host", "base")
    __array_priority__ = 100

    def __init__(self, host):
        self._host = host
        root = host
        while isinstance(root.base, np.ndarray):
            root = root.base
        owner = _owners.get(id(root))
        if owner is None:
            _owners[id(root)] = self
        self.base = owner

    # What it is

    shape = property(lambda self: self._host.shape)
    strides = property(lambda self: self._host.strides)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    dtype = property(lambda self: self._host.dtype)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)

    @property
    def flags(self):
        flags = self._host.flags
        return _Flags(flags.c_contiguous, flags.f_contiguous, self.base is None)

    @property
    def device(self):
        return streams.Device(0)

    @property
    def T(self):
        return on_device(self._host.T)

    @property
    def __cuda_array_interface__(self):
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self._host.ctypes.data, False)}

    @property
    def data(self):
        return _Pointer(self._host.ctypes.data)

    def __dlpack_device__(self):
        return 2, 0  # a GPU, the first

    def __dlpack__(self, **_):
        return self  # in place of a capsule

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[index] for index in range(len(self)))

    # Out of the device, which waits

    def get(self, stream=None, order="C", out=None):
        """A copy as an array of NumPy."""
        note("get")
        streams.current().run()
        return self._host.copy()

    def item(self):
        return self._waited_for("item").item()

    def tolist(self):
        return self._waited_for("tolist").tolist()

    def tobytes(self):
        return self._waited_for("tobytes").tobytes()

    def __int__(self):
        return int(self._waited_for("int"))

    def __float__(self):
        return float(self._waited_for("float"))

    def __bool__(self):
        return bool(self._waited_for("bool"))

    def __index__(self):
        return operator.index(self._waited_for("index").item())

    def __repr__(self):
        return repr(self._waited_for("repr"))

    def __str__(self):
        return str(self._waited_for("str"))

    def __format__(self, specification):
        return format(self._waited_for("format").item(), specification)

    def __reduce__(self):
        return _unpickled, (self._waited_for("pickle"),)

    def _waited_for(self, what):
        note(what)
        streams.current().run()
        return self._host

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy "
            "array explicitly."
        )

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        if method != "__call__":
            return NotImplemented
        return _calculated(ufunc, inputs, keywords)

    def __array_function__(self, function, types, arguments, keywords):
        from cupy_stand_in.module import stand_in

        return getattr(stand_in, function.__name__)(*arguments, **keywords)

    # Onto the device

    def set(self, arr, stream=None):
        """Copies an array of NumPy here: at once, or whenever `stream` comes to it."""
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if (arr.shape, arr.dtype) != (self.shape, self.dtype):
            raise ValueError(f"{arr.dtype} {arr.shape} cannot be set to {self.dtype} {self.shape}")
        recording.refuse_upload("set")
        if stream is None:
            note("set")  # on CuPy's default stream it is an ordinary copy, which waits
            self._host[...] = arr
        else:
            stream.append(lambda: self._host.__setitem__(..., arr))

    def fill(self, value):
        if isinstance(value, np.ndarray) and value.shape:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        streams.current().run()
        value = _scalar_on_host(value)
        recording.perform(np.ndarray.fill, [self._host, value], {})

    # Parts of it

    def __getitem__(self, key):
        return on_device(recording.perform(_chosen, [self._host, _key(key)], {}))

    def __setitem__(self, key, value):
        streams.current().run()
        key = _key(key)
        if not isinstance(value, ndarray):
            if np.ndim(value):
                raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        else:
            value = value._host
        recording.perform(operator.setitem, [self._host, key, value], {})

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()


class _Pointer(NamedTuple):
    """Where memory begins, as CuPy's MemoryPointer says it."""

    ptr: int


class _Flags:
    def __init__(self, c_contiguous, f_contiguous, owndata):
        self.c_contiguous = c_contiguous
        self.f_contiguous = f_contiguous
        self.owndata = owndata


def _unpickled(host):
    return ndarray(host.copy())


def on_device(value):
    """Arrays and scalars of NumPy, also in tuples and lists, as device arrays; anything else as it is."""
    if isinstance(value, (np.ndarray, np.generic)):
        return ndarray(np.asarray(value))
    if isinstance(value, (tuple, list)):
        return type(value)(map(on_device, value))
    return value


def on_host(value):
    """Device arrays, also in tuples and lists, as arrays of NumPy; anything else as it is."""
    if isinstance(value, ndarray):
        return value._host
    if type(value) in (tuple, list):
        return type(value)(map(on_host, value))
    return value


def without_numpy(value):
    """Raises TypeError for an array of NumPy, also in tuples and lists."""
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}: an array of NumPy is passed to a function of CuPy")
    if type(value) in (tuple, list):
        for part in value:
            without_numpy(part)


def _scalar_on_host(value):
    if isinstance(value, ndarray):
        note("item")
        return value._host
    return value


def _key(key):
    """An index as NumPy takes it; looking for what is true in a mask waits."""
    for part in key if type(key) is tuple else (key,):
        if isinstance(part, (ndarray, np.ndarray)) and part.dtype.kind == "b":
            note("indexing with a mask")
        if isinstance(part, (list, np.ndarray)):
            recording.refuse_upload("index")
    return tuple([on_host(part) for part in key]) if type(key) is tuple else on_host(key)


def _chosen(array, key):
    """``array[key]``. Integer arrays that point beyond the end begin again at the front, as CuPy has it."""
    parts = list(key) if type(key) is tuple else [key]
    taken = [0 if part is None or part is Ellipsis else part.ndim if _is_mask(part) else 1 for part in parts]
    axis = 0
    for place, part in enumerate(parts):
        if part is Ellipsis:
            axis += array.ndim - sum(taken)
        elif isinstance(part, np.ndarray) and not _is_mask(part) and array.shape[axis]:
            parts[place] = part % array.shape[axis]
        axis += taken[place]
    return array[tuple(parts)]


def _is_mask(part):
    return isinstance(part, np.ndarray) and part.dtype.kind == "b"


def _calculated(function, arguments, keywords):
    without_numpy([*arguments, *keywords.values()])
    streams.current().run()
    out = keywords.get("out")
    keywords = {name: on_host(value) for name, value in keywords.items()}
    with np.errstate(all="ignore"):  # a GPU never warns
        result = recording.perform(function, [*map(on_host, arguments)], keywords)
    if out is not None:
        return out[0] if type(out) is tuple else out
    return on_device(result)


_METHODS = [
    "all",
    "any",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "astype",
    "clip",
    "copy",
    "cumprod",
    "cumsum",
    "diagonal",
    "dot",
    "flatten",
    "max",
    "mean",
    "min",
    "prod",
    "ravel",
    "repeat",
    "reshape",
    "round",
    "squeeze",
    "std",
    "sum",
    "swapaxes",
    "take",
    "trace",
    "transpose",
    "var",
    "view",
]

_OPERATORS = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "lshift",
    "rshift",
    "and",
    "or",
    "xor",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "neg",
    "pos",
    "abs",
    "invert",
]


def _method(name):
    function = getattr(np.ndarray, name)

    def method(self, *arguments, **keywords):
        return _calculated(function, (self, *arguments), keywords)

    method.__name__ = name
    return method


def _operator(name):
    function = getattr(operator, f"__{name}__")

    def forward(self, *other):
        if other and getattr(other[0], "__array_ufunc__", ()) is None:
            return NotImplemented
        if other and not isinstance(other[0], (ndarray, np.ndarray)) and not np.isscalar(other[0]):
            return NotImplemented  # a tensor, for instance, which knows what to do
        return _calculated(function, (self, *other), {})

    return forward


def _reflected(name):
    function = getattr(operator, f"__{name}__")

    def reflected(self, other):
        return _calculated(function, (other, self), {})

    return reflected


def _in_place(name):
    function = getattr(operator, f"__i{name}__")

    def in_place(self, other):
        _calculated(function, (self, other), {})
        return self

    return in_place


for _name in _METHODS:
    setattr(ndarray, _name, _method(_name))
for _name in _OPERATORS:
    setattr(ndarray, f"__{_name}__", _operator(_name))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
    setattr(ndarray, f"__r{_name}__", _reflected(_name))
    if _name != "matmul":
        setattr(ndarray, f"__i{_name}__", _in_place(_name))
ndarray.__hash__ = None
