"""Compiling CUDA programs with g++, each once: the library is kept on disk under a name made from its
content."""

import ctypes
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["Library", "find_compiler"]

_HEADER = Path(__file__).with_name("cuda_emulation.h")

_OPTIONS = (
    "-O1",
    "-g1",  # line numbers, for messages
    "-gdwarf-4",  # in version 5, addr2line takes one file for another
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-fno-exceptions",
    "-ffp-contract=off",
    "-U_FORTIFY_SOURCE",  # which takes jumps between fibres for errors
    "-fsanitize=alignment,bounds,signed-integer-overflow,shift",
    "-fsanitize-undefined-trap-on-error",
    "-Wall",
    "-Wno-unknown-pragmas",
    "-Wno-unused-function",
    "-Wno-unused-variable",
    "-Werror",
)

# extern __shared__ float tile[]; is a variable whose memory comes with the launch. Not so in C++.
_DYNAMIC_SHARED = re.compile(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s+)?([\w:]+(?:\s\w+)*)\s+(\w+)\[\];")
_EXTERN_KERNEL = re.compile(r'extern\s+"C"\s+(__global__)')


def find_compiler():
    """The path of g++, or None where there is none, or where libraries have another form than on Linux."""
    return shutil.which("g++") if sys.platform == "linux" else None


class Library:
    """A compiled program.

    Args:
        program: a `tinynet_kernels.cuda.Program`.
        folder: where compiled libraries are kept.
    """

    def __init__(self, program, folder):
        source = _as_cpp(program.text, program.kernels())
        command = (find_compiler(), *program.options, *_OPTIONS)
        content = "\0".join([*command, source, _HEADER.read_text(encoding="utf-8")])
        self.path = folder / f"{hashlib.sha256(content.encode()).hexdigest()[:32]}.so"
        if not self.path.exists():
            _compile(command, source, self.path, program.name)
        self._library = ctypes.CDLL(str(self.path))

    def entry(self, kernel):
        """The function that runs a kernel: see EMULATED_ENTRY in the header."""
        return self._library[f"emulate_{kernel}"]

    def line_of(self, code_address):
        """Where in the source an instruction comes from, as ``file:line``, or None if that can't be found."""
        finder = shutil.which("addr2line")
        if finder is None or not code_address:
            return None
        command = [finder, "-e", str(self.path), hex(code_address)]
        line = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        return "/".join(line[0].rsplit("/", 2)[-2:]) if line and not line[0].startswith("?") else None


def _as_cpp(text, kernels):
    text = _DYNAMIC_SHARED.sub(r"\1* \2 = emulation::dynamic_shared<\1>();", text)
    text = _EXTERN_KERNEL.sub(r"\1", text)
    entries = "".join(f"EMULATED_ENTRY({kernel})\n" for kernel in kernels)
    return f'#include "{_HEADER.name}"\nnamespace {{\n{text}\n}}\n{entries}'


def _compile(command, source, target, name):
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be at it
        if target.exists():
            return
        unfinished = target.with_suffix(f".{os.getpid()}")
        result = subprocess.run(
            [*command, f"-I{_HEADER.parent}", "-x", "c++", "-", "-o", str(unfinished)],
            input=source,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise RuntimeError(f"{name} does not compile as C++ for the emulation:\n{result.stderr}")
        os.replace(unfinished, target)
