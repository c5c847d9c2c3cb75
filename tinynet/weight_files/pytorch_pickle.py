"""What the pickle inside a PyTorch file refers to: storages (blocks of numbers) and tensors (views of them).

A pickle only describes storages; their numbers lie elsewhere in the file. All that it says is checked, first
against itself and then, by the containers' readers, against the bytes that are there.
"""

import math

import numpy as np

from tinynet.pickles.arrays import NUMPY_NAMES
from tinynet.pickles.machine import PickledMapping, PickleError, read_pickle

__all__ = ["Storage", "StoredTensor", "read_structure"]

MAX_AXES = 32
BFLOAT16 = "bfloat16"  # NumPy has no such type: it is read as its bits and widened to float32
STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
DTYPES = (*STORAGES.values(), "uint16", "uint32", "uint64")


class Storage:
    """A block of `length` numbers of one dtype, known by its key.

    Attributes:
        array: (length,), None until `fill` is called.
    """

    def __init__(self, key, dtype, length):
        self.key = key
        self.dtype = dtype
        self.length = length
        self.stored_dtype = np.dtype("uint16" if dtype == BFLOAT16 else dtype)
        self.array = None

    @property
    def size(self):
        """Bytes in the file."""
        return self.length * self.stored_dtype.itemsize

    def fill(self, content, byte_order):
        """Takes its numbers from bytes, in the byte order ``"<"`` or ``">"``, without a copy if it can."""
        array = np.frombuffer(content, self.stored_dtype.newbyteorder(byte_order))
        array = array.astype(self.stored_dtype, copy=False)
        if self.dtype == BFLOAT16:
            array = (array.astype(np.uint32) << 16).view(np.float32)
        self.array = array


class StoredTensor:
    """A view of a storage: offset, shape and strides, counted in numbers. Never outside of its storage."""

    def __init__(self, storage, offset, shape, strides, dtype=None):
        if not isinstance(storage, Storage):
            raise PickleError("a tensor without a storage")
        if not (_are_counts((offset,)) and _are_counts(shape) and _are_counts(strides)):
            raise PickleError("a tensor needs an offset, a shape and strides that are not negative")
        if len(shape) != len(strides) or len(shape) > MAX_AXES:
            raise PickleError(f"a tensor has {len(shape)} axes and {len(strides)} strides")
        self.storage = storage
        self.offset, self.shape, self.strides = offset, shape, strides
        self.dtype = None if dtype is None else np.dtype(dtype)
        self._check_inside()

    def _check_inside(self):
        size = math.prod(self.shape)
        available = self.storage.length
        if self.dtype is not None:
            available, rest = divmod(self.storage.size, self.dtype.itemsize)
            if rest:
                raise PickleError(f"a storage of {self.storage.size:,} bytes cannot hold {self.dtype}")
        last = self.offset + sum(
            (length - 1) * stride for length, stride in zip(self.shape, self.strides, strict=True)
        )
        # A stride of 0 shows one number many times: made real by a copy, such a tensor can fill memory.
        if size > available or (size and last >= available) or self.offset > available:
            raise PickleError(
                f"a tensor of shape {self.shape}, strides {self.strides} and offset {self.offset} reaches "
                f"beyond its storage of {available:,} numbers"
            )

    def array(self):
        """The view itself, once its storage is filled."""
        base = self.storage.array if self.dtype is None else self.storage.array.view(self.dtype)
        byte_strides = [stride * base.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(base[self.offset :], self.shape, byte_strides)


def read_structure(file):
    """Reads the pickle at the position of an open file.

    Returns:
        (structure, storages): the object with a `StoredTensor` in the place of each tensor, and the
        storages by their keys, not filled yet.

    Raises:
        PickleError: it is damaged, or refers to anything but tensors and plain data.
    """
    storages: dict[str, Storage] = {}

    def find_storage(description):
        kind, storage_type, key, _, length, *view = description
        dtype = storage_type.build() if getattr(storage_type, "name", None) in STORAGE_NAMES else None
        if kind != "storage" or dtype is None or not isinstance(key, str) or not _are_counts((length,)):
            raise PickleError("it refers to an object outside of the pickle that is no storage")
        if any(part is not None for part in view):
            raise PickleError("it has views of storages, as PyTorch wrote them before version 0.4")
        storage = storages.setdefault(key, Storage(key, dtype, length))
        if (storage.dtype, storage.length) != (dtype, length):
            raise PickleError(f"storage {key} is described in two ways")
        return storage

    return read_pickle(file, NAMES, find_storage), storages


def _are_counts(numbers):
    return isinstance(numbers, tuple) and all(type(number) is int and number >= 0 for number in numbers)


def _tensor(storage, offset, shape, strides, *_):
    return StoredTensor(storage, offset, shape, strides)


def _typed_tensor(storage, offset, shape, strides, requires_grad, hooks, dtype, *_):
    name = getattr(dtype, "name", "")
    if name not in DTYPE_NAMES or name == f"torch.{BFLOAT16}":
        raise PickleError("a tensor without a number type")
    return StoredTensor(storage, offset, shape, strides, name.removeprefix("torch."))


def _parameter(tensor, *_):
    if not isinstance(tensor, StoredTensor):
        raise PickleError("a parameter without a tensor")
    return tensor


def _constant(value):
    return lambda: value


DTYPE_NAMES = {f"torch.{dtype}": None for dtype in DTYPES}
STORAGE_NAMES = {f"torch.{name}": _constant(dtype) for name, dtype in STORAGES.items()}
STORAGE_NAMES["torch.storage.UntypedStorage"] = _constant("uint8")
NAMES = {
    **NUMPY_NAMES,
    **DTYPE_NAMES,
    **STORAGE_NAMES,
    "collections.OrderedDict": PickledMapping,
    "torch.Size": tuple,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
    "torch._utils._rebuild_parameter": _parameter,
}
