"""`Function`: one differentiable operation, and the node that it leaves in the graph.

An operation is a subclass with ``forward`` over arrays and ``backward`` over tensors::

    class Exp(Function):
        __slots__ = ()
        reads_output = True

        def forward(self, x):
            return self.xp.exp(x)

        def backward(self, gy):
            return gy * self.output

and is called as ``Exp()(x)``. What the calculation needs besides tensors (an axis, a stride) goes to
``__init__``, into slots of the subclass. The object that computed the output is the node of the graph:
the output refers to it, and it refers to the nodes of its inputs. Nothing refers back, so there are no
reference cycles, and what nobody needs any more is freed at once.
"""

import re

import numpy as np
from numpy import ndarray

from tinynet.autograd import anomaly, versions
from tinynet.autograd.mode import no_grad, per_thread
from tinynet.autograd.tensor import Tensor
from tinynet.autograd.versions import changed_since, tick
from tinynet.backend import array_module
from tinynet.errors import DeviceError, DTypeError, GraphError

__all__ = ["Function", "OutputNode"]

new_object = object.__new__


class Function:
    """One differentiable operation; see the module's text.

    Class attributes that a subclass may set:
        reads: for each input, the indices of the inputs that *its* gradient is computed from. Only
            those tensors are kept, and only when that gradient is wanted. ``((1,), (0,))`` for a
            product: the gradient of the first factor reads the second, and the other way round.
        reads_output: whether backward uses ``self.output``.
        operation: the name in error messages; by default the class name in lower case.

    In backward, ``self.inputs`` holds the kept tensors (None in place of the others), ``self.output``
    the output, ``self.needs(i)`` tells whether the gradient of input i is wanted, and ``self.kept`` is
    whatever forward stored there: arrays that are constants of the calculation, such as indices.
    """

    __slots__ = (
        "__weakref__",
        "edges",
        "frame",
        "hooks",
        "kept",
        "order",
        "origin",
        "output_array",
        "output_layout",
        "products",
        "saved",
        "saved_at",
        "xp",
    )

    is_node = True
    reads: tuple[tuple[int, ...], ...] = ()
    reads_output = False
    operation = "function"

    # Found out when the subclass is made: whether `reads` and `reads_output` say anything, and how many
    # inputs there are if each of them is named in `reads`.
    reads_something = False
    reads_all_of: int | None = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "operation" not in cls.__dict__:
            cls.operation = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__.lstrip("_")).lower()
        cls.reads_something = bool(cls.reads) or cls.reads_output
        if isinstance(cls.reads, tuple):  # and not a slot, of an operation that sets it for each call
            named = {index for indices in cls.reads for index in indices}
            cls.reads_all_of = len(cls.reads) if named == set(range(len(cls.reads))) else None

    def forward(self, *arrays):
        """Computes the output array, or a tuple of them, from arrays. May not change its inputs."""
        raise GraphError(f"{self.operation}: forward is not defined")

    def backward(self, *gradients):
        """Computes, from the gradient of each output, the gradient of each input (None for "zero").

        Written with operations on tensors, so that it can be differentiated again.
        """
        raise GraphError(f"{self.operation}: this operation cannot be differentiated")

    def backward_arrays(self, *gradients):
        """The same over arrays, used when no graph of the backward pass is wanted.

        An operation overrides this where it has something faster than its composed `backward`; a
        backward that uses only what arrays and tensors share may serve as both. What it returns may be its
        argument, a view, the same array twice: the engine copies what others hold as well, and keeps a new
        array as it is (ownership.py).
        """
        with no_grad():
            results = self.backward(*[Tensor(gradient) for gradient in gradients])
        if type(results) is tuple:
            return tuple([None if result is None else result.data for result in results])
        return None if results is None else results.data

    def __call__(self, *inputs):
        """Computes the output and, where a gradient may be wanted, records this operation."""
        mode = per_thread.mode
        self.xp = np
        self.kept = None
        # One and two inputs are written out: loops take as long as the arithmetic on a small array.
        count = len(inputs)
        if count == 2:
            x, y = inputs
            a = x.data
            b = y.data
            if type(a) is not ndarray or type(b) is not ndarray:
                self._choose_module(inputs)
            recording = mode.recording and (x.requires_grad or y.requires_grad)
            if recording:
                edges = (x.node or x) if x.requires_grad else None, (y.node or y) if y.requires_grad else None
        elif count == 1:
            (x,) = inputs
            a = x.data
            if type(a) is not ndarray:
                self._choose_module(inputs)
            recording = mode.recording and x.requires_grad
            if recording:
                edges = (x.node or x,)
        else:
            arrays = [x.data for x in inputs]
            if any(type(array) is not ndarray for array in arrays):
                self._choose_module(inputs)
            recording = mode.recording and any(x.requires_grad for x in inputs)
            if recording:
                edges = tuple([(x.node or x) if x.requires_grad else None for x in inputs])
        # Known before forward runs, so that it can skip what no gradient will need.
        self.edges = edges if recording else None
        try:
            if count == 2:
                output = self.forward(a, b)
            elif count == 1:
                output = self.forward(a)
            else:
                output = self.forward(*arrays)
        except ValueError as error:
            self.explain(error, *[x.data for x in inputs])
            raise
        if mode.checking:
            anomaly.check_forward(self, output)
        if not recording:
            self.kept = None
            if type(output) is ndarray:
                # Tensor(output), written out as well.
                result = new_object(Tensor)
                result.data = output
                result.grad = result.node = result._hooks = None
                result.requires_grad = False
                return result
            return tuple([Tensor(array) for array in output]) if type(output) is tuple else Tensor(output)
        self.saved = self.output_array = self.hooks = self.output_layout = self.origin = self.frame = None
        self.products = mode.products
        self.order = self.saved_at = tick()
        if type(output) is ndarray:
            # Tensor(output, False, self), written out as well.
            result = new_object(Tensor)
            result.data = output
            result.grad = result._hooks = None
            result.node = self
            result.requires_grad = True
        else:
            result = self._outputs(output) if type(output) is tuple else Tensor(output, False, self)
        if self.reads_something:
            self._save(inputs, result)
        if mode.checking:
            self.origin = anomaly.current_path()
        if mode.frame is not None:
            mode.frame.note(self)
        return result

    def explain(self, error, *arrays):
        """Called when forward raised a ValueError: may raise a clearer error in its place."""

    def _outputs(self, arrays):
        self.output_layout = [(array.shape, array.dtype) for array in arrays]
        return tuple(
            [
                Tensor(array, False, OutputNode(self, index) if array.dtype.kind == "f" else None)
                for index, array in enumerate(arrays)
            ]
        )

    def _save(self, inputs, result):
        everything = len(inputs) == self.reads_all_of
        for edge in self.edges:
            if edge is None:  # `None in edges` would ask tensors whether they are equal to None
                everything = False
        if everything:
            self.saved = inputs
        else:
            saved = None
            for edge, indices in zip(self.edges, self.reads, strict=False):
                if edge is not None:
                    for index in indices:
                        if index < len(inputs):  # `reads` may name inputs that a caller can leave out
                            saved = saved or [None] * len(inputs)
                            saved[index] = inputs[index]
            self.saved = saved or (None,) * len(inputs)  # None itself would mean that it was freed
        if self.reads_output and type(result) is not tuple:
            self.output_array = result.data

    def needs(self, index):
        """Whether the gradient of this input is wanted."""
        return self.edges is not None and self.edges[index] is not None

    def place_of_gradient(self, index, dtype):
        """Where `backward_arrays` may write the gradient of this input, instead of a new array; often None.

        It is the place in the flat buffer of a parameter whose first gradient of a step this is. Its contents
        are undefined; it has the shape of the input and the `dtype` that the gradient will have, and is
        C-contiguous. An operation that asks for it must fill it and return the array itself as this gradient.
        """
        edge = self.edges[index]
        if not per_thread.mode.depositing or edge.is_node or edge._hooks or edge.data.dtype != dtype:
            return None
        if sum([other is edge for other in self.edges]) > 1:
            return None  # the gradient by another input would be copied over it
        return edge.place_of_gradient()

    @property
    def inputs(self):
        """The inputs that `reads` names, as tensors; None in place of the others.

        Raises GraphError when one of them was changed in place since, or was freed already.
        """
        if self.saved is None:
            raise GraphError(self.freed_message())
        if versions.latest_change > self.saved_at:
            for index, tensor in enumerate(self.saved):
                if tensor is not None and changed_since(tensor.data, self.saved_at):
                    raise GraphError(self._changed_message(f"input {index}", tensor.data))
        return self.saved

    @property
    def input_arrays(self):
        """`inputs` as arrays, for `backward_arrays`."""
        saved = self.saved
        if saved is None or versions.latest_change > self.saved_at:
            saved = self.inputs  # which looks closer
        if len(saved) == 2:  # written out, as in `__call__`
            x, y = saved
            return None if x is None else x.data, None if y is None else y.data
        return [None if tensor is None else tensor.data for tensor in saved]

    @property
    def output(self):
        """The output as a tensor that is part of the graph. Needs ``reads_output = True``."""
        return Tensor(self.output_data, False, self)

    @property
    def output_data(self):
        """The output as an array, for `backward_arrays`. Needs ``reads_output = True``."""
        if self.output_array is None:
            raise GraphError(self.freed_message())
        if changed_since(self.output_array, self.saved_at):
            raise GraphError(self._changed_message("the output", self.output_array))
        return self.output_array

    def take_output_data(self):
        """`output_data`, of which the node lets go if the running backward pass frees the graph anyway.

        For large outputs that are needed in the beginning of `backward_arrays` only: their memory can then
        be used for what comes after.
        """
        output = self.output_data
        if per_thread.mode.freeing:
            self.output_array = None
        return output

    def release(self):
        """Lets go of everything: the node was used and is not needed again."""
        self.saved = self.output_array = self.edges = self.kept = self.frame = None

    def freed_message(self):
        """What to say when the node is used after it was released."""
        return (
            f"{self.operation}: what the backward pass needs was freed when it ran before; "
            "pass retain_graph=True to the earlier backward or grad to run it twice"
        )

    def _changed_message(self, what, array):
        return (
            f"{self.operation}: {what} (shape {array.shape}) was changed in place after it was used, "
            "so its gradient can no longer be computed; work on a copy, or change it after backward"
        )

    def _choose_module(self, inputs):
        devices = [tensor.device for tensor in inputs]
        if len(set(devices)) > 1:
            places = ", ".join(f"input {index} on {device}" for index, device in enumerate(devices))
            raise DeviceError(
                f"{self.operation}: inputs live on different devices ({places}); move them with .to(device)"
            )
        self.xp = array_module(inputs[0].data)

    def __repr__(self):
        return f"<{type(self).__name__}>"


class OutputNode:
    """The node of one output of an operation that has several."""

    __slots__ = ("__weakref__", "edges", "function", "hooks", "index", "operation", "order")

    is_node = True

    def __init__(self, function, index):
        self.function = function
        self.operation = function.operation
        self.edges = (function,)
        self.index = index
        self.order = tick()
        self.hooks = None

    freed_message = Function.freed_message

    def release(self):
        """Lets go of the operation."""
        self.function = self.edges = None

    def __repr__(self):
        return f"<output {self.index} of {self.operation}>"


def require_floating(operation, argument, array):
    """Raises DTypeError unless the array holds floating-point numbers."""
    if array.dtype.kind != "f":
        raise DTypeError(f"{operation}: {argument} must hold floating-point numbers, not {array.dtype}")
