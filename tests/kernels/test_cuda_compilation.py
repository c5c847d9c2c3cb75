"""NVIDIA's compiler takes every CUDA source, for every element type and variant. No GPU is needed for
that."""

import importlib.util
import pkgutil

import pytest

import tinynet_kernels
from tinynet_kernels import cuda

ARCHITECTURES = ("sm_80", "sm_90")
ADDED_BY_CUPY = ("-ftz=true",)


def programs():
    """All programs of all families."""
    for family in pkgutil.iter_modules(tinynet_kernels.__path__):
        name = f"tinynet_kernels.{family.name}"
        if family.ispkg and importlib.util.find_spec(f"{name}.gpu") is not None:
            importlib.import_module(f"{name}.gpu")
    return [program for source in cuda.sources() for program in source.programs()]


def describe(program):
    return " ".join([program.name, *(option for option in program.options if option.startswith("-D"))])


def compile_with_nvrtc(program, architecture):
    """The compiled code; raises an AssertionError with the compiler's messages."""
    reason = "compiling CUDA needs nvidia-cuda-nvrtc and cuda-bindings"
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason=reason)
    try:
        error, handle = nvrtc.nvrtcCreateProgram(program.text.encode(), program.name.encode(), 0, [], [])
    except RuntimeError:  # the bindings are there, the library isn't
        pytest.skip(reason)
    assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS
    options = [*program.options, *ADDED_BY_CUPY, f"-arch={architecture}"]
    (result,) = nvrtc.nvrtcCompileProgram(handle, len(options), [option.encode() for option in options])
    _, size = nvrtc.nvrtcGetProgramLogSize(handle)
    log = bytearray(size)  # NVRTC writes into it: bytes of length 1 are one object for the whole process
    nvrtc.nvrtcGetProgramLog(handle, log)
    assert result == nvrtc.nvrtcResult.NVRTC_SUCCESS, log.decode()
    assert log.strip(b"\0") == b"", log.decode()
    _, size = nvrtc.nvrtcGetCUBINSize(handle)
    code = bytearray(size)
    nvrtc.nvrtcGetCUBIN(handle, code)
    nvrtc.nvrtcDestroyProgram(handle)
    return bytes(code)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("program", programs(), ids=describe)
def test_every_source_compiles(program, architecture):
    code = compile_with_nvrtc(program, architecture)
    assert code.startswith(b"\x7fELF")


def test_every_kernel_is_found_in_the_compiled_code():
    """The signatures, which launches are checked against, are read from the text: none may be missing."""
    for source in cuda.sources():
        program = source.programs()[0]
        names = program.kernels()
        assert program.text.count("__global__ void") == len(names), source.name
        code = compile_with_nvrtc(program, ARCHITECTURES[0])
        assert all(f".text.{name}".encode() in code for name in names)
