"""CUDA source files, and the programs that are compiled from them: one for each element type and variant."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tinynet_kernels.cuda.signature import Parameter, parse

__all__ = ["OPTIONS", "Function", "Program", "Source", "sources"]

# Beside the definitions of a variant. CuPy adds -ftz=true to all that it compiles: on the GPU, float32
# numbers too small for the ordinary representation count as 0.
OPTIONS = ("--std=c++17",)

_SHARED = Path(__file__).parent
_PACKAGES = _SHARED.parent
_INCLUDE = re.compile(r'^#include "(.+)"\n', re.MULTILINE)
_REAL = {np.dtype(dtype): f"REAL_{dtype.upper()}" for dtype in ("float16", "float32", "float64")}

_sources: list = []


@dataclass(frozen=True, eq=False, slots=True)
class Program:
    """One compilation: the text with all that it includes, and the compiler's options.

    Attributes:
        name: of the file, for messages, as ``softmax/gpu.cu``.
        dtype: what ``Real`` stands for.
    """

    name: str
    dtype: np.dtype
    text: str = field(repr=False)
    options: tuple[str, ...]

    def kernels(self):
        """The parameters of each kernel, by its name; see `signature.parse`."""
        return parse(self.text, self.dtype)


@dataclass(frozen=True, eq=False, slots=True)
class Function:
    """A kernel of a compiled program."""

    program: Program
    name: str
    parameters: tuple[Parameter, ...]


class Source:
    """A CUDA source file of a kernel family.

    ``#include "name"`` takes in a file of the same folder or else of ``tinynet_kernels/cuda``; each is taken
    in once. The compiler gets one text and needs no search path.

    Args:
        package: the family's package, ``__package__``.
        file: in its folder.
        dtypes: the names of the element types that it can be compiled for.
        variants: what it can be compiled for besides, each a dictionary of macros and their values. A launch
            takes one of them; the tests compile all.
    """

    def __init__(self, package, file="gpu.cu", dtypes=("float16", "float32", "float64"), variants=({},)):
        self._folder = _PACKAGES / package.rpartition(".")[2]
        self._file = file
        self.name = f"{self._folder.name}/{file}"
        self.dtypes = tuple(map(np.dtype, dtypes))
        self.variants = tuple(variants)
        self._text = None
        self._functions = {}
        self._programs = {}
        _sources.append(self)

    def function(self, name, dtype, **variant):
        """The kernel of this name, for an element type and a variant.

        Raises:
            ValueError: there is no such kernel, element type or variant.
        """
        dtype = np.dtype(dtype)
        key = (name, dtype, *variant.items())
        return self._functions.get(key) or self._find(key, name, dtype, variant)

    def programs(self):
        """All programs that can be compiled from this file."""
        return [self._program(dtype, variant) for dtype in self.dtypes for variant in self.variants]

    def _find(self, key, name, dtype, variant):
        if dtype not in self.dtypes or variant not in self.variants:
            raise ValueError(f"cuda: {self.name} is not compiled for {dtype} and {variant}")
        program = self._program(dtype, variant)
        kernels = program.kernels()
        if name not in kernels:
            raise ValueError(f"cuda: {self.name} has no kernel {name!r}, only {', '.join(sorted(kernels))}")
        self._functions[key] = function = Function(program, name, kernels[name])
        return function

    def _program(self, dtype, variant):
        definitions = (f"-D{_REAL[dtype]}", *(f"-D{macro}={value}" for macro, value in variant.items()))
        if definitions not in self._programs:
            self._text = self._text or _assemble(self._folder / self._file, set())
            program = Program(self.name, dtype, self._text, (*OPTIONS, *definitions))
            self._programs[definitions] = program
        return self._programs[definitions]


def sources():
    """Every `Source` that has been made: those of all families whose ``gpu`` take has been imported."""
    return tuple(_sources)


def _assemble(path, included):
    """The text of a file in which those that it includes stand in the place of the includes."""
    included.add(path.name)
    parts, line, end = [_line_directive(1, path)], 1, 0
    text = path.read_text(encoding="utf-8")
    for match in _INCLUDE.finditer(text):
        parts.append(text[end : match.start()])
        line += text.count("\n", end, match.end())
        end = match.end()
        if match[1] not in included:
            parts.append(_assemble(_find_include(path, match[1]), included))
        parts.append(_line_directive(line, path))
    return "".join([*parts, text[end:]])


def _line_directive(line, path):
    return f'#line {line} "{path.parent.name}/{path.name}"\n'


def _find_include(path, name):
    for folder in (path.parent, _SHARED):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"cuda: {path} includes {name!r}, which is neither beside it nor in {_SHARED}")
