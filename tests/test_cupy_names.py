"""What the engine takes from `xp`, and the methods that it calls on arrays, exist in CuPy with these
arguments.

CuPy can be imported without a GPU but can't compute anything then. So the source is read, and every name is
looked up: a function of NumPy that CuPy lacks would otherwise be noticed only by whoever has a GPU.
"""

import ast
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(
    [
        *(ROOT / "tinynet").rglob("*.py"),
        *(ROOT / "kernels/tinynet_kernels").glob("*/reference.py"),
        *(ROOT / "kernels/tinynet_kernels").glob("*/gpu*.py"),
        ROOT / "kernels/tinynet_kernels/windows.py",
    ]
)
# Where arrays of both kinds are computed with, so that every array may be CuPy's.
COMPUTING = ("functional", "autograd", "optim", "nn", "tinynet_kernels")
METHODS = (
    "all",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "cumsum",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
)
# A ufunc of CuPy has no signature to be asked for.
UFUNC_KEYWORDS = {"out", "casting", "dtype"}


@pytest.fixture(scope="module")
def cupy():
    return pytest.importorskip("cupy", reason="looking names up in CuPy needs cupy")


def is_array_module(node):
    """Whether an expression is `xp`, `something.xp`, `array_module(...)`, or CuPy by its own name."""
    if isinstance(node, ast.Call):
        node = node.func
        return isinstance(node, ast.Name | ast.Attribute) and name_of(node) == "array_module"
    return isinstance(node, ast.Name | ast.Attribute) and name_of(node) in ("xp", "cupy", "_cupy")


def name_of(node):
    return node.id if isinstance(node, ast.Name) else node.attr


def path_from_module(node):
    """``("add", "at")`` for ``xp.add.at``; None for what doesn't begin with an array module."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
        if is_array_module(node):
            return tuple(reversed(names))
    return None


def uses(path):
    """The names that a file takes from array modules and the calls of them, as (path, line, call or None)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (names := path_from_module(node)):
            yield names, node.lineno, calls.get(id(node))


def method_calls(path):
    """The calls of methods which arrays have, as (name, line, call)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            yield node.func.attr, node.lineno, node


def keywords_of(call):
    return {keyword.arg for keyword in call.keywords if keyword.arg is not None}


def complaint(function, call):
    """Why a function of CuPy refuses the arguments of a call, or None."""
    if type(function).__name__ == "ufunc":
        surplus = keywords_of(call) - UFUNC_KEYWORDS
        return f"ufuncs have no {', '.join(surplus)}" if surplus else None
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None  # written in Cython
    has_stars = any(isinstance(a, ast.Starred) for a in call.args) or any(
        k.arg is None for k in call.keywords
    )
    try:
        bind = signature.bind_partial if has_stars else signature.bind
        bind(*(None for a in call.args if not isinstance(a, ast.Starred)), **dict.fromkeys(keywords_of(call)))
    except TypeError as error:
        return f"{error}, but {signature}"
    return None


def test_the_source_is_found():
    names = {names[0] for path in FILES for names, _, _ in uses(path)}
    assert {"exp", "where", "zeros", "add", "broadcast_to"} <= names
    assert len(names) > 60


def test_every_name_exists_in_cupy_and_takes_the_arguments(cupy):
    wrong = []
    for path in FILES:
        for names, line, call in uses(path):
            found = cupy
            for name in names:
                found = getattr(found, name, None)
            where = f"{path.relative_to(ROOT)}:{line}: {'.'.join(names)}"
            if found is None:
                wrong.append(f"{where} is not in CuPy")
            elif call is not None and (reason := complaint(found, call)):
                wrong.append(f"{where}: {reason}")
    assert wrong == []


def test_methods_of_arrays_take_the_arguments(cupy):
    """Their signatures are the first lines of their docstrings."""
    accepted = {
        name: set(re.findall(r"(\w+)=", getattr(cupy.ndarray, name).__doc__.splitlines()[0]))
        for name in METHODS
    }
    assert all(accepted.values())
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: ndarray.{name} has no {', '.join(surplus)}"
        for path in FILES
        if set(path.parts) & set(COMPUTING)
        for name, line, call in method_calls(path)
        if (surplus := keywords_of(call) - accepted[name])
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "complains"),
    [
        ("xp.exp(x, out=y)", False),
        ("xp.exp(x, where=y)", True),
        ("xp.sum(x, axis=0, keepdims=True)", False),
        ("xp.sum(x, initial=1)", True),
        ("xp.take_along_axis(x)", True),
        ("xp.concatenate(*x)", False),
    ],
)
def test_wrong_arguments_are_found(source, complains, cupy):
    call = ast.parse(source, mode="eval").body
    (name,) = path_from_module(call.func)
    assert (complaint(getattr(cupy, name), call) is not None) == complains


def reading_calls(path):
    """Calls that turn a tensor's array into one of NumPy behind its back, as (line, text)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        is_numpy = isinstance(node.func.value, ast.Name) and node.func.value.id == "np"
        first = node.args[0]
        if is_numpy and isinstance(first, ast.Attribute) and first.attr == "data":
            yield node.lineno, ast.unparse(node)


def written_data(path):
    """Assignments ``tensor.data[...] = expression of NumPy``, as (line, text)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Subscript):
            continue
        target = node.targets[0].value
        calls = [part for part in ast.walk(node.value) if isinstance(part, ast.Name) and part.id == "np"]
        if isinstance(target, ast.Attribute) and target.attr == "data" and calls:
            yield node.lineno, ast.unparse(node)


def test_numpy_is_not_given_the_array_of_a_tensor():
    """CuPy refuses, for an array on a GPU; `Tensor.numpy` and `backend.to_numpy` fetch it."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in FILES
        for line, text in (*reading_calls(path), *written_data(path))
    ]
    assert wrong == []


def test_such_uses_are_found(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("np.sum(x.data)\nx.data[...] = np.ones(3)\nnp.sum(x.numpy())\nx.data[0] = 1\n")
    assert [line for line, _ in reading_calls(path)] == [1]
    assert [line for line, _ in written_data(path)] == [2]
