"""Einstein summation. The gradient of an einsum is another einsum, so derivatives of any order exist."""

import re

from tinynet.autograd import Function, Tensor, as_tensor, precision
from tinynet.errors import ArgumentError, ShapeError
from tinynet.functional.arithmetic import common_dtype
from tinynet.functional.conversion import as_factors, cast

__all__ = ["einsum"]

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Einsum(Function):
    """A sum of products in which every letter has one size."""

    __slots__ = ("output_term", "reads", "shapes", "terms")
    operation = "einsum"

    def __init__(self, terms, output_term):
        self.terms = terms
        self.output_term = output_term
        everything = range(len(terms))
        self.reads = tuple([tuple([other for other in everything if other != i]) for i in everything])

    def forward(self, *arrays):
        self.shapes = [array.shape for array in arrays]
        return self.xp.einsum(
            f"{','.join(self.terms)}->{self.output_term}", *arrays, optimize=len(arrays) > 1
        )

    def backward(self, gy):
        inputs = self.inputs if len(self.terms) > 1 else [None]
        return tuple([self._gradient(gy, inputs, i) if self.needs(i) else None for i in range(len(inputs))])

    def _gradient(self, gy, inputs, wanted):
        """The gradient by one operand: the product of all others, summed into the letters of that one."""
        terms = [self.output_term, *[term for index, term in enumerate(self.terms) if index != wanted]]
        operands = [gy, *[tensor for index, tensor in enumerate(inputs) if index != wanted]]
        known = set("".join(terms))
        target = ""
        for letter, size in zip(self.terms[wanted], self.shapes[wanted], strict=True):
            if letter in target:
                # A letter used twice reads the diagonal: elsewhere the gradient is zero.
                twin = next(free for free in _LETTERS if free not in known and free not in self.terms[wanted])
                terms.append(letter + twin)
                operands.append(Tensor(self.xp.eye(size, dtype=gy.dtype)))
                letter = twin
            elif letter not in known:
                # A letter found nowhere else was summed out: its gradient is the same all along.
                terms.append(letter)
                operands.append(Tensor(self.xp.ones(size, gy.dtype)))
            known.add(letter)
            target += letter
        return Einsum(terms, target)(*operands)


def einsum(equation, *operands):
    """Sums of products, in Einstein's notation: ``einsum("bij,bjk->bik", x, y)`` multiplies matrices.

    Each operand's axes are named by letters; a letter that the output lacks is summed over, a letter used
    twice in an operand takes the diagonal, and ``...`` stands for axes in front that broadcast. Without
    ``->`` the output has the letters that occur once, in alphabetical order, as in NumPy.

    Raises:
        ArgumentError: the equation is malformed, or has too many or too few operands.
        ShapeError: an operand has other axes than named, or a letter has different sizes.
    """
    tensors = [as_tensor(operand) for operand in operands]
    if precision.open_blocks and len(tensors) > 1:
        tensors = list(as_factors(*tensors))
    terms, output = _parse(equation, tensors)
    common = common_dtype(*[tensor.data.dtype for tensor in tensors])
    tensors = [cast(tensor, common) for tensor in tensors]
    terms, output, broadcast = _name_ellipses(terms, output, tensors)
    sizes = _sizes(equation, terms, tensors, broadcast)
    for letter in output:
        if letter not in sizes or output.count(letter) > 1:
            problem = "occurs twice in the output" if letter in sizes else "of the output is in no operand"
            raise ArgumentError(f"einsum: letter {letter!r} {problem} of {equation!r}")
    for index, (term, tensor) in enumerate(zip(terms, tensors, strict=True)):
        # Repeated axes of size 1 are dropped: a product repeats what lacks a letter anyway.
        kept = [axis for axis, letter in enumerate(term) if tensor.shape[axis] == sizes[letter]]
        if len(kept) < len(term):
            tensors[index] = tensor.reshape([tensor.shape[axis] for axis in kept])
            terms[index] = "".join([term[axis] for axis in kept])
    return Einsum(terms, output)(*tensors)


def _parse(equation, tensors):
    """The terms of the operands, and that of the output or None."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    for term in [*terms, output]:
        if not re.fullmatch(r"[a-zA-Z]*(\.\.\.)?[a-zA-Z]*", term):
            raise ArgumentError(f"einsum: {term!r} in {equation!r} is not made of letters and one '...'")
    if len(terms) != len(tensors):
        raise ArgumentError(f"einsum: {equation!r} names {len(terms)} operands but {len(tensors)} were given")
    for index, (term, tensor) in enumerate(zip(terms, tensors, strict=True)):
        named = len(term.replace("...", ""))
        if tensor.ndim < named or (tensor.ndim > named and "..." not in term):
            raise ShapeError(
                f"einsum: operand {index} has {tensor.ndim} axes (shape {tensor.shape}) "
                f"but {term!r} names {named}"
            )
    return terms, output if arrow else None


def _name_ellipses(terms, output, tensors):
    """The terms and the output with letters for each '...', and those letters."""
    used = {letter for term in terms for letter in term if letter != "."}
    hidden = [
        tensor.ndim - len(term.replace("...", "")) if "..." in term else 0
        for term, tensor in zip(terms, tensors, strict=True)
    ]
    count = max(hidden)
    broadcast = "".join([letter for letter in _LETTERS if letter not in used][:count])
    if output is None:
        text = "".join(terms)
        output = broadcast + "".join(sorted([letter for letter in used if text.count(letter) == 1]))
    named = [term.replace("...", broadcast[count - own :]) for term, own in zip(terms, hidden, strict=True)]
    return named, output.replace("...", broadcast), broadcast


def _sizes(equation, terms, tensors, broadcast):
    """The size of each letter."""
    sizes = {}
    for index, (term, tensor) in enumerate(zip(terms, tensors, strict=True)):
        for axis, (letter, size) in enumerate(zip(term, tensor.shape, strict=True)):
            known = sizes.setdefault(letter, size)
            if known == size or (letter in broadcast and size == 1):
                continue
            if letter not in broadcast or known != 1:
                what = "'...'" if letter in broadcast else repr(letter)
                raise ShapeError(
                    f"einsum: {what} has {known} elements in an earlier place of {equation!r} but {size} "
                    f"along axis {axis} of operand {index} (shape {tensor.shape})"
                )
            sizes[letter] = size
    return sizes
