"""Timing the candidates of a target's tile table on the GPU that is here."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from codegen.errors import TgenError
from codegen.frozen import frozen

if TYPE_CHECKING:
    from codegen.plan import Plan
    from codegen.plan.kernels.attention_variant import AttentionVariant
    from codegen.plan.kernels.kernel import Tile

TABLES = {  # of a package's kernels.py
    "attention_forward": "FORWARD_TILES",
    "attention_dkdv": "DKDV_TILES",
    "attention_dq": "DQ_TILES",
}
TOKENS = 16_384  # of a batch that is timed
Timer = Callable[[Callable[[], object]], float]  # milliseconds of a call
Heard = Callable[[str, "Tile", float | None], None]  # kernel, tile, milliseconds (None: it failed)


@frozen
class Shape:
    """What is timed: a batch of rows with the model's own heads."""

    batch: int
    heads: int
    kv_heads: int
    time: int
    head_dim: int


@frozen
class Trial:
    """One kernel and the tiles to time it with."""

    kernel: str
    kind: str
    variant: AttentionVariant
    shape: Shape
    numbers: tuple[tuple[str, int], ...]
    tiles: tuple[Tile, ...]


def trials(plan: Plan, target: str) -> tuple[Trial, ...]:
    """What tuning would time for a GPU."""
    from codegen.plan.families import family_of
    from codegen.plan.targets import candidates, read_target

    found = []
    timed = family_of(plan).timed
    for v in plan.kernels.attentions if plan.kernels and timed else ():
        assert timed
        layer = timed(plan, v.functions[0])
        time = min(layer.length, TOKENS)
        heads = (layer.heads, layer.kv_heads)
        shape = Shape(max(1, TOKENS // time), *heads, time, layer.head_dim)
        for kind in TABLES if not v.collapsed else ():
            tiles = candidates(read_target(target), kind, layer.head_dim)
            found.append(Trial(v.name + kind, kind, v, shape, layer.mask_numbers, tiles))
    return tuple(found)


def gpu_here() -> str | None:
    """The target that this machine's GPU is, or None."""
    import torch

    from codegen.plan.targets import known_targets

    if not torch.cuda.is_available():
        return None
    if torch.version.hip:
        return str(torch.cuda.get_device_properties().gcnArchName).split(":")[0]
    major, minor = torch.cuda.get_device_capability()
    arch = 10 * major + minor
    known = [int(name[3:]) for name in known_targets() if name.startswith("sm_")]
    # A GPU that has no table is launched with that of the last one before it.
    return f"sm_{max((other for other in known if other <= arch), default=arch)}"


def bench(call: Callable[[], object]) -> float:
    """Milliseconds of a call on the GPU, by Triton's own timer."""
    import triton.testing

    return float(triton.testing.do_bench(call))


def tune(
    plan: Plan, source: str, target: str, timer: Timer, heard: Heard, device: str = "cuda"
) -> dict[str, Tile]:
    """The fastest tile of each kernel; TgenError if a kernel has none that runs."""
    kernels = _imported(source)
    if not kernels.run_here():
        raise TgenError(f"{plan.name} can't be tuned on {target}: it has no kernels for that")
    row = kernels.device_name()  # of the tables: the target, or the interpreter in tests
    winners: dict[str, Tile] = {}
    for trial in trials(plan, target):
        table = getattr(kernels, trial.variant.name.upper() + TABLES[trial.kind])
        call = _call(kernels, trial, device)
        before, times = table[row], {}
        for tile in trial.tiles:
            table[row] = _launch_row(before, tile)
            try:
                times[tile] = timer(call)
            except Exception as error:  # a tile that the GPU refuses is no winner
                last: Exception = error
                heard(trial.kernel, tile, None)
            else:
                heard(trial.kernel, tile, times[tile])
        if not times:
            raise TgenError(f"no tile of {trial.kernel} runs on {target}: {last}")
        winners[trial.kernel] = min(times, key=lambda tile: times[tile])
        table[row] = _launch_row(before, winners[trial.kernel])
    return winners


def tiles_yaml(spec: str, target: str, winners: Mapping[str, Tile]) -> str:
    """The winners as a file that a spec can extend."""
    from codegen.plan.targets import tile_row

    lines = [f"# Timed on {target} by: tgen tune {spec}", "tiles:", f"  {target}:"]
    for kernel, tile in winners.items():
        row = ", ".join(f"{name}: {value}" for name, value in tile_row(tile).items())
        lines.append(f"    {kernel}: {{{row}}}")
    return "\n".join(lines) + "\n"


def _launch_row(like: Any, tile: Tile) -> Any:
    """A row of a launch table: one mapping, or a tuple of them where dK and dV are launched."""
    row = {**dict(tile.sizes), "num_stages": tile.stages, "num_warps": tile.warps}
    return (row,) if isinstance(like, tuple) else row


def _call(kernels: ModuleType, trial: Trial, device: str) -> Callable[[], object]:
    """A call that spends its time in the trial's kernel: a forward pass, or a backward pass."""
    import torch

    shape, dtype = trial.shape, torch.bfloat16 if device == "cuda" else torch.float32
    sizes = ((shape.heads,), (shape.kv_heads,), (shape.kv_heads,))
    q, k, v = (
        torch.randn(shape.batch, *n, shape.time, shape.head_dim, device=device, dtype=dtype)
        for n in sizes
    )
    inputs = [x.requires_grad_() for x in (q, k, v)]
    attention = getattr(kernels, f"{trial.variant.name}attention")
    given = {name: value for name, value in trial.numbers if name in trial.variant.numbers}
    given |= _operands(trial, device)
    if trial.kind == "attention_forward":
        return lambda: attention(*inputs, **given)
    out = attention(*inputs, **given)
    grad = torch.randn_like(out)
    return lambda: torch.autograd.grad(out, inputs, grad, retain_graph=True)


def _operands(trial: Trial, device: str) -> dict[str, Any]:
    """Something for whatever else the attention takes."""
    import torch

    shape, v = trial.shape, trial.variant
    rows = torch.arange(shape.time, device=device, dtype=torch.int32)
    document = rows // 1024 * 1024  # documents of 1024 tokens
    whole = torch.full((shape.batch,), shape.time, device=device, dtype=torch.int32)
    reach = 128
    known = {
        "document_starts": document.expand(shape.batch, -1).contiguous(),
        "document_ends": (document + 1024)
        .clamp(max=shape.time)
        .expand(shape.batch, -1)
        .contiguous(),
        "prefix_lengths": whole // 4,
        "lengths": whole,
        "slopes": torch.rand(shape.heads, device=device),
        "bias": torch.randn(32, shape.heads, device=device),
        "buckets": torch.randint(0, 32, (2 * reach + 1,), device=device).sort().values.int(),
        "sinks": torch.randn(shape.heads, device=device),
        "softcap": 50.0,
    }
    names = {operand.name for operand in v.public_operands}
    return {name: value for name, value in known.items() if name in names}


def _imported(source: str) -> ModuleType:
    """kernels.py as a module; Triton reads a kernel's source from its file."""
    folder = Path(tempfile.mkdtemp(prefix="tgen-tune-"))
    path = folder / "tgen_tuned_kernels.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
