"""`Tensor`: an array that remembers how it was computed.

The arithmetic operators and the methods that compute something (``x + y``, ``x.sum()``, ``x[1:]``) are
functions of `tinynet.functional`, which attaches them to this class (``functional/methods.py``), since
they belong to a higher floor of the house.
"""

import weakref

import numpy as np
from numpy import ndarray

from tinynet import backend
from tinynet.autograd import versions
from tinynet.autograd.mode import per_thread
from tinynet.errors import ArgumentError, DTypeError, GraphError, ShapeError
from tinynet_kernels import memory

__all__ = ["Tensor", "as_tensor", "from_dlpack", "tensor"]


class Tensor:
    """An array (NumPy or CuPy), whether its gradient is wanted, and the operation that made it.

    Args:
        data: an array, which is taken as it is, or numbers (see `backend.as_array`).
        requires_grad: whether `backward` shall put a gradient into ``grad``. Floating dtypes only.

    Attributes:
        data: the array. Writing into it directly escapes the version counters.
        grad: the gradient after `backward`, a Tensor of the same shape, or None.
        requires_grad: whether a gradient flows to or through this tensor.
        node: the operation that made it; None for a leaf.

    Raises:
        DTypeError: ``requires_grad`` for a tensor that doesn't hold floating-point numbers.
    """

    __slots__ = ("__weakref__", "_hooks", "data", "grad", "node", "requires_grad")

    __array_priority__ = 1000  # array + tensor is a tensor, not an array
    is_node = False  # in the graph a tensor stands only for itself, as a leaf

    def __init__(self, data, requires_grad=False, node=None):
        if type(data) is not ndarray:
            # NumPy turns arrays without axes into scalars; they stay on the CPU.
            data = np.asarray(data) if isinstance(data, np.generic) else backend.as_array(_plain(data))
        self.data = data
        self.grad = None
        self.node = node
        self._hooks = None
        if node is not None:
            self.requires_grad = True
        else:
            self.requires_grad = requires_grad
            if requires_grad:
                self._check_differentiable()

    def _check_differentiable(self):
        if self.data.dtype.kind != "f":
            raise DTypeError(
                f"tensor: only floating-point tensors can require a gradient, not {self.data.dtype}"
            )

    # What it is

    @property
    def shape(self):
        """The size of each axis."""
        return self.data.shape

    @property
    def ndim(self):
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self):
        """The number of elements."""
        return self.data.size

    @property
    def dtype(self):
        """The NumPy dtype of the elements."""
        return self.data.dtype

    @property
    def device(self):
        """The device on which the array lives."""
        return backend.device_of(self.data)

    @property
    def is_leaf(self):
        """Whether no recorded operation made this tensor."""
        return self.node is None

    def __len__(self):
        if not self.data.ndim:
            raise ShapeError("len: a tensor without axes has no length")
        return len(self.data)

    def __repr__(self):
        text = np.array2string(backend.to_numpy(self.data), separator=", ", prefix="tensor(")
        notes = []
        if self.data.dtype not in (np.float32, np.int64, np.bool_):
            notes.append(f"dtype={self.data.dtype}")
        if not isinstance(self.data, np.ndarray):
            notes.append(f"device='{self.device}'")
        if 0 in self.data.shape or self.data.size > np.get_printoptions()["threshold"]:
            notes.append(f"shape={self.data.shape}")
        if self.node is not None:
            notes.append(f"made by {self.node.operation}")
        elif self.requires_grad:
            notes.append("requires_grad=True")
        return f"tensor({', '.join([text, *notes])})"

    __hash__ = object.__hash__

    # Reading it from outside

    def numpy(self):
        """The data as a NumPy array: shared memory on the CPU, a copy from a GPU."""
        return backend.to_numpy(self.data)

    def item(self):
        """The only element as a Python number. Raises ShapeError when there are more or none."""
        if self.data.size != 1:
            raise ShapeError(f"item: expected a tensor of one element, not of shape {self.shape}")
        return self.data.item()

    def tolist(self):
        """The elements as nested Python lists."""
        return self.data.tolist()

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __index__(self):
        if self.data.dtype.kind not in "iu":
            raise DTypeError(f"index: only an integer tensor can be used as an index, not {self.dtype}")
        return int(self.item())

    def __bool__(self):
        return bool(self.item())

    def __format__(self, specification):
        return format(self.item() if specification else str(self), specification)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **arguments):
        if self.requires_grad:
            raise GraphError("dlpack: a tensor that requires a gradient cannot be exported; use detach()")
        return self.data.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self.data.__dlpack_device__()

    # Moving and copying

    def detach(self):
        """A tensor that shares the data and is cut off from the graph."""
        return Tensor(self.data)

    def requires_grad_(self, requires_grad=True):
        """Sets whether this leaf wants a gradient, and returns it."""
        if self.node is not None:
            raise GraphError(
                f"requires_grad_: only a leaf can be changed, and {self.node.operation} made this tensor; "
                "use detach()"
            )
        if requires_grad:
            self._check_differentiable()
        self.requires_grad = requires_grad
        return self

    def __deepcopy__(self, memo):
        if self.node is not None:
            raise GraphError(f"deepcopy: only leaf tensors can be copied; {self.node.operation} made this")
        copy = type(self)(self.data.copy(), self.requires_grad)
        copy.grad = None if self.grad is None else Tensor(self.grad.data.copy())
        memo[id(self)] = copy
        return copy

    def __reduce__(self):
        if self.node is not None:
            raise GraphError(f"pickle: only leaf tensors can be stored; {self.node.operation} made this")
        return type(self), (self.data, self.requires_grad)

    # Changing it in place

    def __setitem__(self, key, value):
        self._check_writable("tensor[...] = value", value)
        key = tuple([_plain(part) for part in key]) if type(key) is tuple else _plain(key)
        value = _plain(value)
        if backend.is_on_gpu(self.data) and not np.isscalar(value):
            value = backend.as_array(value, device=self.device)
        self.data[key] = value
        versions.mark_changed(self.data)

    def copy_(self, source):
        """Overwrites the elements with those of `source`, of the same shape. Returns the tensor."""
        self._check_writable("copy_", source)
        source = backend.as_array(_plain(source), device=self.device)
        if source.shape != self.shape:
            raise ShapeError(f"copy_: source has shape {source.shape} but the tensor has shape {self.shape}")
        self.data[...] = source
        versions.mark_changed(self.data)
        return self

    def _check_writable(self, operation, value):
        if per_thread.mode.recording and (self.requires_grad or getattr(value, "requires_grad", False)):
            raise GraphError(
                f"{operation}: changing a tensor in place is not recorded, and a gradient is wanted here; "
                "use where or scatter_add, or change it inside no_grad()"
            )

    # Gradients

    def backward(self, gradient=None, *, retain_graph=False, create_graph=False):
        """Adds the gradient of this tensor by every leaf that requires one to the leaf's ``grad``.

        Args:
            gradient: the gradient by this tensor, of its shape; may be left out for a single element.
            retain_graph: keep the graph, to run backward through it again.
            create_graph: record the backward pass itself, for higher derivatives.
        """
        from tinynet.autograd.engine import backward  # the engine works on tensors

        backward([self], [gradient], retain_graph=retain_graph, create_graph=create_graph)

    def accumulate_gradient(self, gradient, may_keep=False):
        """Adds `gradient`, an array, to ``grad``; `may_keep` says that nobody else holds it."""
        grad = self.grad
        if grad is None:
            dtype = self.data.dtype
            may_keep = may_keep and gradient.dtype == dtype and gradient.flags.c_contiguous
            self.grad = Tensor(gradient if may_keep else _copied(gradient, dtype))
        elif grad.requires_grad:
            self.grad = Tensor(grad.data + gradient)  # others may look at the recorded one
        else:
            total = grad.data
            total += gradient

    def place_of_gradient(self):
        """None: an operation has to make a new array for the gradient; see `Function.place_of_gradient`."""

    def place_in_buffer(self):
        """The flat array that a parameter lives in, and where in it; None for other tensors."""

    def register_hook(self, hook):
        """Calls ``hook(gradient)`` with this tensor's whole gradient once backward has it.

        What the hook returns, unless None, takes the place of the gradient. Returns a function that
        removes the hook. Raises GraphError for a tensor that requires no gradient.
        """
        if not self.requires_grad:
            raise GraphError("register_hook: this tensor requires no gradient, so none will come")
        owner, attribute = (self, "_hooks") if self.node is None else (self.node, "hooks")
        hooks = [*(getattr(owner, attribute) or ()), hook]
        setattr(owner, attribute, hooks)
        reference = weakref.ref(owner)

        def remove():
            holder = reference()
            if holder is not None:
                setattr(holder, attribute, [h for h in getattr(holder, attribute) or () if h is not hook])

        return remove

    def retain_grad(self):
        """Makes backward keep this tensor's gradient in ``grad`` although it isn't a leaf."""
        if self.node is not None and self._hooks is None:
            self._hooks = []  # a non-leaf keeps its hooks in its node, so this marks what was done here
            self.register_hook(_keep_gradient_of(weakref.ref(self)))
        return self


def _keep_gradient_of(reference):
    """A hook that adds the gradient to ``grad`` of the tensor, as long as somebody holds the tensor."""

    def keep(gradient):
        tensor = reference()
        if tensor is None:
            return
        if tensor.grad is not None:
            tensor.grad = tensor.grad + gradient
        else:
            tensor.grad = gradient if gradient.requires_grad else Tensor(gradient.data.copy())

    return keep


def _copied(array, dtype):
    """A copy; if it is large, in memory that is used again when it dies."""
    if array.nbytes < memory.SMALLEST or type(array) is not ndarray:
        return array.astype(dtype)
    copy = memory.empty(array.shape, dtype)
    copy[...] = array
    return copy


def _plain(value):
    """The array of a tensor; anything else as it is."""
    return value.data if isinstance(value, Tensor) else value


def tensor(data, dtype=None, device=None, requires_grad=False):
    """A new tensor holding a copy of `data`.

    Python floats become the default dtype (float32), Python integers int64; arrays keep theirs.

    Args:
        data: numbers, nested sequences, an array or a tensor.
        dtype: the dtype to convert to.
        device: the device to put it on; by default where the array is, else the default device.
        requires_grad: whether its gradient will be wanted.
    """
    source = _plain(data)
    array = backend.as_array(source, dtype, device)
    if array is source or getattr(array, "base", None) is not None:
        array = array.copy()
    return Tensor(array, requires_grad)


def as_tensor(data, dtype=None, device=None):
    """The tensor itself, or a tensor of the data, without copying where possible."""
    if isinstance(data, Tensor):
        if (dtype is None or data.dtype == dtype) and (device is None or data.device == device):
            return data
        if data.requires_grad:
            raise ArgumentError("as_tensor: use .to(...) to convert a tensor that requires a gradient")
    return Tensor(backend.as_array(_plain(data), dtype, device))


def from_dlpack(source):
    """A tensor that shares the memory of any object with ``__dlpack__`` (PyTorch, JAX, CuPy, NumPy)."""
    kind, index = source.__dlpack_device__()
    if int(kind) in (1, 3):  # kDLCPU and kDLCUDAHost
        return Tensor(np.from_dlpack(source))
    return Tensor(backend.Device(f"cuda:{index}").xp.from_dlpack(source))
