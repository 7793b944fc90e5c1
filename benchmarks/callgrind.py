"""
Counting instructions: turned on and off from inside a process that runs under callgrind.

Valgrind takes requests from its guest as a sequence of instructions that does nothing on a bare
processor (valgrind.h, ``__SPECIAL_INSTRUCTION_PREAMBLE``). It is written out here, so that
nothing has to be compiled; for x86-64 only.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import mmap
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

# rol rdi by 3, 13, 61 and 51; xchg rbx, rbx: "the request that rax points to, its answer in rdx".
_REQUEST = bytes.fromhex("48c1c703 48c1c70d 48c1c73d 48c1c733 4887db")
_MOVE_ARGUMENT_TO_RAX, _CLEAR_RDX = bytes.fromhex("4889f8"), bytes.fromhex("31d2")
_RETURN_RDX = bytes.fromhex("4889d0c3")
# callgrind.h: VG_USERREQ_TOOL_BASE('C', 'T'), and the place of the request in its enumeration.
_BASE = ord("C") << 24 | ord("T") << 16
_START, _STOP = _BASE + 4, _BASE + 5


def problem() -> str:
    """Return why instructions cannot be counted here; empty if they can."""
    if platform.machine() not in {"x86_64", "AMD64"} or platform.system() != "Linux":
        return f"no instructions are counted on {platform.system()} {platform.machine()}"
    return "" if shutil.which("valgrind") else "valgrind is not installed"


def command(output: Path) -> list[str]:
    """Return what to put before a command that is to be counted, its counters off at first."""
    return [
        *("valgrind", "--tool=callgrind", "--quiet", "--instr-atstart=no"),
        # Counting calls per function as well costs little, and tells where they go.
        f"--callgrind-out-file={output}",
    ]


@contextlib.contextmanager
def counting() -> Iterator[None]:
    """Count what the block executes. Outside of callgrind nothing happens."""
    _ask(_START)
    try:
        yield
    finally:
        _ask(_STOP)


def total(output: Path) -> int:
    """Return how many instructions callgrind has written down."""
    found = re.search(r"^totals: (\d+)", output.read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{output} has no total")
    return int(found.group(1))


def _ask(request: int) -> None:
    _caller()(ctypes.byref((ctypes.c_uint64 * 6)(request)))


@functools.cache
def _caller() -> Callable[..., int]:
    code = _MOVE_ARGUMENT_TO_RAX + _CLEAR_RDX + _REQUEST + _RETURN_RDX
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(
        ctypes.addressof(ctypes.c_char.from_buffer(page))
    )
    call.page = page  # type: ignore[attr-defined]  # the code lives as long as it can be called
    return call
