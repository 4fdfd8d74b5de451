"""Reading what a compiled kernel uses out of its assembly and binary."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from codegen.frozen import frozen

# Of each vendor the newest first; the wider ones must not be counted as the narrow.
TENSOR_CORE = {
    "cuda": {"tcgen05": "tcgen05.mma", "wgmma": "wgmma.mma_async", "mma": "mma.sync"},
    "hip": {"mfma": "v_mfma"},
}
AMD_FIELD = re.compile(r"\.(\w+):\s+(\d+)\s*$", re.MULTILINE)
OPERATION = re.compile(r"^\s*(%\w+)\S* = (\S+) (.*?) : (.*)$", re.MULTILINE)
VALUE = re.compile(r"%\w+")
# What hands an integer on; a load, a division or a loop's own counter begins anew.
RESHAPES = ("tt.splat", "tt.broadcast", "tt.expand_dims", "tt.reshape")
CARRIERS = ("arith.addi", "arith.subi", "arith.muli", "arith.extsi", *RESHAPES)


@frozen
class Offsets:
    """How the pointer sums of a kernel are made, by the lines of the IR."""

    wide: tuple[str, ...]  # with a 64-bit offset
    narrow: tuple[str, ...]  # where a product of the offset was made in 32 bits, and may overflow


def offsets(ttir: str) -> Offsets:
    """The pointer arithmetic in Triton's IR; what loads through descriptors has none.

    Two products may have 32 bits: a number times a constant, taken for where a tile begins, and a
    place inside a tile times a stride.
    """
    wide, narrow = [], []
    constants: set[str] = set()
    inside: set[str] = set()  # places inside a tile
    short: set[str] = set()  # values with a 32-bit product in them
    for match in OPERATION.finditer(ttir):
        name, operation, said, kind = match.groups()
        values = VALUE.findall(said)
        for group in (constants, inside, short):
            group.discard(name)  # the loops of a kernel may use one name each
        if operation == "arith.constant":
            constants.add(name)
        elif operation == "tt.make_range" or (operation in RESHAPES and inside & set(values)):
            inside.add(name)
        elif operation == "tt.addptr":
            if re.search(r"i64>?(?: loc\(.*\))?$", kind):
                wide.append(match[0].strip())
            if values[1] in short:
                narrow.append(match[0].strip())
        elif operation == "arith.muli" and "i32" in kind:
            scalar = not kind.startswith("tensor")
            if not ((scalar and constants & set(values)) or inside & set(values)):
                short.add(name)
        elif operation in CARRIERS and short & set(values):
            short.add(name)
    return Offsets(tuple(wide), tuple(narrow))


def tensor_core_counts(backend: str, assembly: str) -> tuple[tuple[str, int], ...]:
    """How often each of the backend's matrix instructions is written."""
    counts = {name: assembly.count(text) for name, text in TENSOR_CORE[backend].items()}
    return tuple((name, count) for name, count in counts.items() if count)


def nvidia_figures(cubin: bytes, tools: Path) -> dict[str, int]:
    """REG, STACK, SHARED and LOCAL of a cubin's kernel."""
    text = _said(cubin, str(tools / "cuobjdump"), "--dump-resource-usage")
    figures = {name: int(value) for name, value in re.findall(r"(\w+)(?:\[\d+\])?:(\d+)", text)}
    if not {"REG", "STACK", "LOCAL"} <= set(figures):
        raise ValueError("cuobjdump shows no resource usage")
    return figures


def amd_figures(amdgcn: str) -> dict[str, int]:
    """The counts in the metadata at the end of an AMD kernel's assembly."""
    metadata = amdgcn[amdgcn.rfind(".amdgpu_metadata") :]
    figures = {name: int(value) for name, value in AMD_FIELD.findall(metadata)}
    if not {"vgpr_count", "vgpr_spill_count", "sgpr_spill_count"} <= set(figures):
        raise ValueError("the assembly has no metadata")
    return figures


def disassembly(cubin: bytes, tools: Path) -> str:
    """The SASS of a cubin."""
    return _said(cubin, str(tools / "nvdisasm"), "--print-code")


def _said(cubin: bytes, *command: str) -> str:
    """What one of NVIDIA's tools prints of a cubin."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        done = subprocess.run([*command, file.name], capture_output=True, text=True, check=True)
        return done.stdout


def texts(asm: Mapping[str, str | bytes], tools: Path) -> dict[str, str]:
    """What people read of a compiled kernel, by file ending."""
    found = {end: text for end in ("ptx", "amdgcn") if isinstance(text := asm.get(end), str)}
    if isinstance(cubin := asm.get("cubin"), bytes):
        found["sass"] = disassembly(cubin, tools)
    return found
