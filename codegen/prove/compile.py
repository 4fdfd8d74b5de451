"""One request -> one usage, with Triton; what a worker's child process does."""

from __future__ import annotations

import importlib.util
import re
import tempfile
from pathlib import Path
from typing import Any

from codegen.prove.binary import (
    amd_figures,
    nvidia_figures,
    offsets,
    tensor_core_counts,
    texts,
)
from codegen.prove.usage import COMPILED, FAILED, Request, Usage

MAX_MESSAGE = 200


def compile_request(request: Request, keep: Path | None = None) -> Usage:
    """Compile for a GPU that need not be here, and read back what the kernel uses.

    With `keep`, the assembly is written to that path with endings such as `.ptx`.
    """
    try:
        kernel = _compiled(request)
    except (OSError, MemoryError):
        raise  # says nothing of the kernel
    except Exception as error:  # Triton's passes and the tools below them raise all kinds
        return Usage(FAILED, first_cause(f"{type(error).__name__}: {error}"))
    tools = _tools()
    if keep:
        keep.parent.mkdir(parents=True, exist_ok=True)
        for end, text in texts(kernel.asm, tools).items():
            keep.with_name(f"{keep.name}.{end}").write_text(text, encoding="utf-8", newline="\n")
    return _usage(request.backend, kernel, tools)


def _compiled(request: Request) -> Any:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    with tempfile.TemporaryDirectory(prefix="tgen-") as folder:
        # Triton reads a function's text from its file.
        path = Path(folder) / "kernels.py"
        path.write_text(request.source, encoding="utf-8")
        function = getattr(_imported(path), request.name)
        types = dict(request.arguments)
        unknown = sorted(set(function.arg_names) ^ set(types))
        if unknown:
            raise TypeError(f"the record and the kernel differ in {', '.join(unknown)}")
        source = ASTSource(
            fn=function,
            signature={name: types[name] for name in function.arg_names},
            constexprs=dict(request.constants),
            attrs={
                (function.arg_names.index(name),): [["tt.divisibility", 16]]
                for name in request.aligned
            },
        )
        target = GPUTarget(request.backend, request.arch, request.warp_size)
        options = {"num_warps": request.warps, "num_stages": request.stages}
        return triton.compile(source, target=target, options=options)


def _imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("kernels", path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _tools() -> Path:
    """Where Triton's wheel has cuobjdump and nvdisasm."""
    import triton

    return Path(triton.__file__).parent / "backends/nvidia/bin"


def _usage(backend: str, kernel: Any, tools: Path) -> Usage:
    sums = offsets(kernel.asm["ttir"])
    common: dict[str, Any] = {
        "tensor_memory": getattr(kernel.metadata, "tmem_size", None) or 0,
        "wide_offsets": len(sums.wide),
        "narrow_offsets": len(sums.narrow),
    }
    if backend == "cuda":
        figures = nvidia_figures(kernel.asm["cubin"], tools)
        return Usage(
            COMPILED,
            shared=max(kernel.metadata.shared, figures.get("SHARED", 0)),
            registers=figures["REG"],
            spilled=figures["STACK"] + figures["LOCAL"],
            tensor_core=tensor_core_counts(backend, kernel.asm["ptx"]),
            **common,
        )
    figures = amd_figures(kernel.asm["amdgcn"])
    return Usage(
        COMPILED,
        shared=max(kernel.metadata.shared, figures.get("group_segment_fixed_size", 0)),
        registers=figures["vgpr_count"],  # accumulation registers included
        spilled=figures["vgpr_spill_count"],
        spill_unit="registers",
        scalar_spills=figures["sgpr_spill_count"],
        tensor_core=tensor_core_counts(backend, kernel.asm["amdgcn"]),
        **common,
    )


def first_cause(text: str) -> str:
    """The line that says what went wrong, without folders and not too long."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    telling = re.compile(r"LLVM ERROR|Assertion|(?<!\w)error:|Error\b|exceeds")
    line = next((line for line in lines if telling.search(line)), lines[-1])
    line = re.sub(r"(?:/[^\s:/'\"]+)+/", "", line)
    return line if len(line) <= MAX_MESSAGE else f"{line[: MAX_MESSAGE - 3]}..."
