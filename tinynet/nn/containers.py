"""Modules that hold other modules: in a row, in a list, under names; and a function as a module."""

from tinynet.errors import ArgumentError
from tinynet.nn.chaining import chain
from tinynet.nn.module import Module

__all__ = ["Lambda", "ModuleDict", "ModuleList", "Sequential"]


class ModuleList(Module):
    """A list of modules that are registered under their positions. It has no forward of its own."""

    def __init__(self, modules=()):
        self.extend(modules)

    def append(self, module):
        """Adds a module at the end. Returns the list."""
        _check_module(type(self).__name__, len(self), module)
        setattr(self, str(len(self)), module)
        return self

    def extend(self, modules):
        """Adds several modules at the end. Returns the list."""
        for module in modules:
            self.append(module)
        return self

    def __len__(self):
        return sum(1 for _ in self.children())

    def __iter__(self):
        return self.children()

    def __getitem__(self, index):
        modules = list(self.children())
        return type(self)(modules[index]) if isinstance(index, slice) else modules[index]

    def __setitem__(self, index, module):
        _check_module(type(self).__name__, index, module)
        names = [name for name, _ in self.named_children()]
        setattr(self, names[index], module)


class Sequential(ModuleList):
    """Modules called one after the other, each on the output of the one before.

    Neighbours that can be are computed in one operation, see `chain` and `fusion`; it gives the same numbers.

    Args:
        modules: the modules; or a single dictionary of names and modules.
    """

    def __init__(self, *modules):
        if len(modules) == 1 and isinstance(modules[0], dict):
            for name, module in modules[0].items():
                _check_module("Sequential", name, module)
                _check_name("Sequential", self, name)
                setattr(self, name, module)
        else:
            self.extend(modules)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Sequential(dict(list(self.named_children())[index]))
        return super().__getitem__(index)

    def forward(self, x):
        """Sends x through all modules in turn."""
        return chain(x, *self.children())


class ModuleDict(Module):
    """Modules registered under names. It has no forward of its own."""

    def __init__(self, modules=None):
        for name, module in (modules or {}).items():
            self[name] = module

    def __setitem__(self, name, module):
        _check_module("ModuleDict", name, module)
        _check_name("ModuleDict", self, name)
        setattr(self, name, module)

    def __getitem__(self, name):
        modules = dict(self.named_children())
        if name not in modules:
            raise KeyError(f"ModuleDict: no module {name!r}; there are {', '.join(modules) or 'none'}")
        return modules[name]

    def __contains__(self, name):
        return name in dict(self.named_children())

    def __len__(self):
        return sum(1 for _ in self.children())

    def __iter__(self):
        return iter(self.keys())

    def keys(self):
        """The names."""
        return [name for name, _ in self.named_children()]

    def values(self):
        """The modules."""
        return list(self.children())

    def items(self):
        """Pairs of name and module."""
        return list(self.named_children())


class Lambda(Module):
    """A function as a module.

    Args:
        function: called with the inputs.
        name: what `repr` shows; by default the function's name.
    """

    def __init__(self, function, name=None):
        self.function = function
        self.name = name or getattr(function, "__name__", type(function).__name__)

    def forward(self, *inputs):
        """Calls the function."""
        return self.function(*inputs)

    def extra_repr(self):
        """The function's name."""
        return self.name


def _check_module(container, name, module):
    if not isinstance(module, Module):
        raise ArgumentError(
            f"{container}: entry {name!r} is a {type(module).__name__}, not a module; wrap a function in "
            "nn.Lambda"
        )


def _check_name(container, holder, name):
    taken = hasattr(holder, name) and not isinstance(vars(holder).get(name), Module)
    if not isinstance(name, str) or not name or "." in name or taken:
        raise ArgumentError(f"{container}: {name!r} cannot be a module's name (empty, dotted or taken)")
