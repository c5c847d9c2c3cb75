"""`Module`: a layer or a network, made of parameters, buffers and other modules.

Whatever a module holds as an attribute and is a `Parameter` or a `Module` belongs to it, in the order in
which it was assigned. Buffers (tensors that are saved but not learnt) are announced by `register_buffer`.
"""

import numpy as np

from tinynet import backend
from tinynet.autograd import Tensor, versions
from tinynet.autograd.mode import per_thread
from tinynet.errors import ArgumentError, CheckpointError, TinynetError
from tinynet.nn.parameter import Parameter

__all__ = ["Module"]


class Module:
    """Base of all layers and networks. A subclass defines ``forward`` and assigns its parts::

        class Residual(nn.Module):
            def __init__(self, channels):
                self.conv = nn.Conv2d(channels, channels, 3, padding="same")

            def forward(self, x):
                return x + F.relu(self.conv(x))

    Attributes:
        training: whether layers such as dropout behave as in training; set by `train` and `eval`.
    """

    def __new__(cls, *_args, **_kwargs):
        # Done here, so that a subclass need not call super().__init__().
        self = super().__new__(cls)
        vars(self).update(training=True, _is_kept_in_inference=False)
        vars(self).update(_buffers={}, _forward_hooks=[], _forward_pre_hooks=[])
        return self

    def __setattr__(self, name, value):
        if isinstance(value, (list, tuple, dict)):
            parts = value.values() if isinstance(value, dict) else value
            if any(isinstance(part, (Module, Parameter)) for part in parts):
                raise ArgumentError(
                    f"{type(self).__name__}.{name}: modules and parameters inside a {type(value).__name__} "
                    "are not registered; use nn.ModuleList, nn.ModuleDict or attributes"
                )
        object.__setattr__(self, name, value)

    def forward(self, *inputs):
        """Computes the output. Defined by every subclass."""
        raise TypeError(f"{type(self).__name__} defines no forward")

    def __call__(self, *inputs, **options):
        mode = per_thread.mode
        if mode.checking:
            mode.modules.append(self)
        try:
            for hook in self._forward_pre_hooks:
                replacement = hook(self, inputs)
                if replacement is not None:
                    inputs = replacement if isinstance(replacement, tuple) else (replacement,)
            output = self.forward(*inputs, **options)
            for hook in self._forward_hooks:
                replacement = hook(self, inputs, output)
                if replacement is not None:
                    output = replacement
        except TinynetError as error:
            self._add_to_path(error)
            raise
        finally:
            if mode.checking:
                mode.modules.pop()
        return output

    def _add_to_path(self, error):
        """Puts the name of the child from which the error came in front of its path."""
        child = getattr(error, "passed_module", None)
        if child is not None:
            name = self.name_of_child(child) or type(child).__name__
            error.module_path = (name, *error.module_path)
        error.passed_module = self

    def name_of_child(self, child):
        """The (dotted) name under which `child` is found in this module, or None."""
        return next((name for name, module in self.named_modules() if module is child and name), None)

    # What it holds

    def named_children(self):
        """Pairs of name and module for the modules that are attributes of this one."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self):
        """The modules that are attributes of this one."""
        for _, module in self.named_children():
            yield module

    def named_modules(self, prefix="", _seen=None):
        """Pairs of dotted name and module: this one (named ``prefix``), and all below it, each once."""
        seen = set() if _seen is None else _seen
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(_join(prefix, name), seen)

    def modules(self):
        """This module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self, prefix="", recurse=True):
        """Pairs of dotted name and parameter; a shared parameter comes once, under its first name."""
        seen = set()
        owners = self.named_modules(prefix) if recurse else [(prefix, self)]
        for path, module in owners:
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield _join(path, name), value

    def parameters(self, recurse=True):
        """All parameters, each once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(self, prefix="", recurse=True, persistent_only=False):
        """Pairs of dotted name and buffer."""
        owners = self.named_modules(prefix) if recurse else [(prefix, self)]
        for path, module in owners:
            for name, persistent in module._buffers.items():
                buffer = getattr(module, name)
                if buffer is not None and (persistent or not persistent_only):
                    yield _join(path, name), buffer

    def buffers(self, recurse=True):
        """All buffers."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def register_buffer(self, name, tensor, persistent=True):
        """Makes a tensor an attribute that is moved and saved with the module but not learnt.

        Args:
            name: the attribute's name.
            tensor: a tensor, an array, or None for a buffer that is filled later.
            persistent: False leaves it out of the `state_dict`.
        """
        if name in vars(self) and name not in self._buffers:
            raise ArgumentError(f"register_buffer: {type(self).__name__} has an attribute {name!r} already")
        self._buffers[name] = persistent
        setattr(self, name, None if tensor is None else _detached(tensor))

    def num_parameters(self, trainable_only=False):
        """How many numbers the parameters hold."""
        return sum(p.size for p in self.parameters() if p.requires_grad or not trainable_only)

    # How it behaves

    def train(self, mode=True):
        """Sets training behaviour (dropout, batch statistics) for this module and all below. Returns it.

        Modules that `keep_in_inference` was called for stay as they are. Each child's own ``train`` is
        called, so a subclass may decide about itself and what it holds.
        """
        self.training = bool(mode) and not self._is_kept_in_inference
        for child in self.children():
            child.train(mode)
        return self

    def eval(self):
        """Sets inference behaviour. Returns the module."""
        return self.train(False)

    def keep_in_inference(self, kept=True):
        """Puts this module and all below into inference, where `train` leaves them from now on.

        So dropout lets everything through and batch norm uses its running statistics, and keeps them, while
        the rest of the model trains. Parameters learn as before; see `freeze` for those.

        Args:
            kept: False lets the modules follow ``train`` again, from its next call on.

        Returns:
            The module.
        """
        for module in self.modules():
            module._is_kept_in_inference = kept
            module.training = module.training and not kept
        return self

    def apply(self, function):
        """Calls ``function(module)`` for all modules, children first. Returns the module."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def freeze(self):
        """Stops learning: no parameter gets a gradient or moves. Returns the module."""
        return self._set_requires_grad(False)

    def unfreeze(self):
        """Undoes `freeze`. Returns the module."""
        return self._set_requires_grad(True)

    def _set_requires_grad(self, wanted):
        for parameter in self.parameters():
            parameter.requires_grad_(wanted)
            if not wanted:
                parameter.grad = None
        return self

    def zero_grad(self):
        """Forgets all gradients."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def register_forward_hook(self, hook):
        """Calls ``hook(module, inputs, output)`` after every forward; a result replaces the output.

        Returns a function that removes the hook.
        """
        return _add_hook(self._forward_hooks, hook)

    def register_forward_pre_hook(self, hook):
        """Calls ``hook(module, inputs)`` before every forward; a result replaces the inputs.

        Returns a function that removes the hook.
        """
        return _add_hook(self._forward_pre_hooks, hook)

    # Moving, saving, loading

    def to(self, target):
        """Moves all parameters and buffers to a device (by name) or a floating dtype. Returns the module."""
        device, dtype = _device_or_dtype(target)
        parameters = list(self.parameters())
        mine = {id(parameter) for parameter in parameters}
        for parameter in parameters:
            buffer = parameter.buffer if parameter.is_at_home else None
            if buffer is not None and all(id(member) in mine for member in buffer.parameters):
                # Whoever refers to the buffer (an optimiser) keeps a valid reference.
                if (dtype or buffer.data.dtype, device or parameter.device) != (
                    buffer.data.dtype,
                    parameter.device,
                ):
                    buffer.to(dtype, device)
            else:
                parameter.data = _converted(parameter.data, device, dtype)
                if parameter.grad is not None:
                    parameter.grad = Tensor(_converted(parameter.grad.data, device, dtype))
        for buffer in self.buffers():
            buffer.data = _converted(buffer.data, device, dtype)
        return self

    def state_dict(self):
        """All parameters and persistent buffers by name, as tensors that share their data."""
        state = {name: parameter.detach() for name, parameter in self.named_parameters()}
        state.update((name, buffer.detach()) for name, buffer in self.named_buffers(persistent_only=True))
        return state

    def load_state_dict(self, state, strict=True):
        """Copies parameters and buffers from a mapping of names to tensors or arrays.

        Everything is checked before anything is written.

        Args:
            state: as `state_dict` gives it; floating numbers are converted to the dtype found here.
            strict: whether every name must be there, and none besides.

        Returns:
            The names that were missing and the names that were not expected (both empty when strict).

        Raises:
            CheckpointError: names are missing or surplus (strict), or shapes or kinds of numbers differ;
                the message lists every such name.
        """
        own = dict(self.named_parameters())
        own.update(self.named_buffers(persistent_only=True))
        arrays = {
            name: value.data if isinstance(value, Tensor) else np.asarray(value)
            for name, value in state.items()
        }
        missing = [name for name in own if name not in arrays]
        surplus = [name for name in arrays if name not in own]
        problems = [f"missing: {name} {own[name].shape}" for name in missing if strict]
        problems += [f"not expected: {name} {arrays[name].shape}" for name in surplus if strict]
        for name in own.keys() & arrays.keys():
            problems += _misfit(name, own[name], arrays[name])
        if problems:
            listed = "\n  ".join(sorted(problems))
            raise CheckpointError(
                f"load_state_dict: the weights do not fit {type(self).__name__}, nothing was loaded:"
                f"\n  {listed}"
            )
        for name, target in own.items():
            if name in arrays:
                target.data[...] = backend.to_device(arrays[name], target.device)
                versions.mark_changed(target.data)
        return missing, surplus

    def save(self, path):
        """Writes all parameters and persistent buffers to a safetensors file, atomically."""
        from tinynet.nn.serialization import save_tensors

        save_tensors(path, {name: tensor.numpy() for name, tensor in self.state_dict().items()})

    def load(self, path, strict=True, library=None):
        """Reads parameters and buffers from a file of weights; see `load_state_dict`.

        Args:
            path: a file of any format that `tinynet.weight_files.read_weights` reads. Its names must be those
                of this module, or what other libraries make of them: ``"conv1/kernel"`` for
                ``"conv1.weight"``. `tinynet.models.load_pretrained` knows more names.
            strict: whether every name must be there, and none besides.
            library: whose order of axes the file has, ``"tinynet"``, ``"pytorch"`` or ``"keras"``; None for
                that of its format, which is ours for safetensors and npz.

        Raises:
            CheckpointError: the file is missing, damaged or hostile, or does not fit; nothing was loaded.
        """
        from tinynet.nn.foreign_weights import translate
        from tinynet.weight_files import read_weights

        file = read_weights(path)
        return self.load_state_dict(translate(self, file.arrays, library or file.layout or "tinynet"), strict)

    # Showing it

    def summary(self, input_shape):
        """Prints and returns a table of layers for inputs of this shape, batch axis left out.

        Its columns: output shape, parameters, multiply-adds and activation memory.
        """
        from tinynet.nn.summary import summarize

        table = summarize(self, input_shape)
        print(table)
        return table

    def fusion_plan(self, input_shape, training=False):
        """Prints and returns what is computed in one operation for inputs of this shape, batch axis left out.

        In inference batch norm can be part of the convolution before it, in training it cannot.
        """
        from tinynet.nn.fusion_plan import plan_fusion

        plan = plan_fusion(self, input_shape, training)
        print(plan)
        return plan

    def extra_repr(self):
        """What `repr` shows between the brackets."""
        return ""

    def __repr__(self):
        children = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        text = self.extra_repr()
        if not children:
            return f"{type(self).__name__}({text})"
        body = "\n  ".join([text, *children] if text else children)
        return f"{type(self).__name__}(\n  {body}\n)"


def _join(prefix, name):
    return f"{prefix}.{name}" if prefix else name


def _detached(tensor):
    return tensor.detach() if isinstance(tensor, Tensor) else Tensor(backend.as_array(tensor))


def _add_hook(hooks, hook):
    hooks.append(hook)

    def remove():
        if hook in hooks:
            hooks.remove(hook)

    return remove


def _device_or_dtype(target):
    if isinstance(target, backend.Device) or (isinstance(target, str) and target[:3] in ("cpu", "cud")):
        device = backend.Device(target)
        device.check_available()
        return device, None
    dtype = np.dtype(target)
    if dtype.kind != "f":
        raise ArgumentError(f"Module.to: expected a device or a floating dtype, not {dtype}")
    return None, dtype


def _converted(array, device, dtype):
    if dtype is not None and array.dtype.kind == "f":
        array = array.astype(dtype, copy=False)
    return array if device is None else backend.to_device(array, device)


def _misfit(name, target, array):
    if array.shape != target.shape:
        return [f"shape: {name} is {array.shape} in the file but {target.shape} in the model"]
    if not np.can_cast(array.dtype, target.dtype, "same_kind"):
        return [f"dtype: {name} is {array.dtype} in the file but {target.dtype} in the model"]
    return []
