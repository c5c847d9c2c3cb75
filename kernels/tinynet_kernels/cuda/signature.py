"""What a kernel's parameters are, read from its declaration in the CUDA source.

The declaration is the one place where they are written down: arguments are checked against it before a
launch, and whatever compiles the source otherwise finds there how to call it.
"""

import re
from typing import NamedTuple

import numpy as np

__all__ = ["Parameter", "parse"]

_KERNEL = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\([^()]*\)\s*)?(\w+)\s*\(([^()]*)\)\s*\{'
)
_PARAMETER = re.compile(
    r"(?P<const>const\s+)?(?P<type>[A-Za-z_]\w*(?:\s+(?:int|long|char)\b)*)\s*(?P<pointer>\*\s*)?"
    r"(?:__restrict__\s+)?(?P<name>\w+)"
)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)

_DTYPES = {
    "bool": np.bool_,
    "signed char": np.int8,
    "unsigned char": np.uint8,
    "int": np.int32,
    "unsigned": np.uint32,
    "unsigned int": np.uint32,
    "long long": np.int64,
    "unsigned long long": np.uint64,
    "Index": np.int64,
    "float": np.float32,
    "double": np.float64,
}


class Parameter(NamedTuple):
    """One parameter of a kernel.

    Attributes:
        name: as in the source.
        dtype: of the number, or of the elements of the array.
        is_array: whether it is a pointer.
        is_written: whether the kernel may write to what it points to.
    """

    name: str
    dtype: np.dtype
    is_array: bool
    is_written: bool


def parse(text, real):
    """The parameters of every kernel in a CUDA source, as a dictionary from the name to a tuple.

    Kernels are the functions declared ``extern "C" __global__ void name(...)``. Their parameters are numbers
    or pointers, of C's types or of those that ``common.cuh`` defines: ``Real``, the element type for which
    the source is compiled, ``Accumulator``, the type in which it is computed with, and ``Index``.

    Args:
        real: the dtype that ``Real`` stands for.

    Raises:
        ValueError: a parameter is none of these.
    """
    real = np.dtype(real)
    accumulator = np.dtype(np.float64 if real == np.float64 else np.float32)
    dtypes = {name: np.dtype(dtype) for name, dtype in _DTYPES.items()}
    dtypes |= {"Real": real, "Accumulator": accumulator}
    return {
        kernel: tuple(_parameter(kernel, one.strip(), dtypes) for one in parameters.split(",") if one.strip())
        for kernel, parameters in _KERNEL.findall(_COMMENT.sub(" ", text))
    }


def _parameter(kernel, declaration, dtypes):
    match = _PARAMETER.fullmatch(declaration)
    type_name = match and " ".join(match["type"].split())
    if type_name not in dtypes:
        raise ValueError(
            f"cuda: parameter {declaration!r} of kernel {kernel} is neither a number nor a pointer of one of "
            f"the types {', '.join(sorted(dtypes))}"
        )
    is_array = match["pointer"] is not None
    return Parameter(match["name"], dtypes[type_name], is_array, is_array and match["const"] is None)
