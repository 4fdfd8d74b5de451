"""Who sees whom through Triton's interpreter: kernels of random masks against a dense formula.

Run as a program, with TRITON_INTERPRET=1, on a seed, a number of cases and a folder for their files
it prints what each case came to.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codegen.plan.kernels.attention_variant import AttentionVariant, pieces
from codegen.plan.kernels.kernel import Tile
from codegen.plan.kernels.kernel_plan import COLLAPSED, KernelPlan
from codegen.plan.masks.names import mask_numbers
from codegen.plan.transformer.attention_function import mask_plan
from codegen.spec.masks.tree import parse_mask
from tests.kernels.variants import kernels_file
from tests.plan.test_masks import NAMED, Row, random_mask, random_row

if TYPE_CHECKING:
    from torch import Tensor

ROOT = Path(__file__).parents[2]
LIMITS = {"float32": 2e-5, "float16": 1e-3}  # of the largest
FAST, LONG, PART = 10, 160, 10  # cases of the default run, of the long one, of a process
HEAD_DIMS = (16, 64, 80, 96, 128, 192, 256)
RATIOS = (1, 3, 8)
BY_HEAD = ("h < 2", "h == 1 & causal", "(q + h) % 3 == 0", "k - q < 2 - h", "h < 1 | window(4)")
BLOCKS = ("causal & block(16)", "causal & block(32)")
LATE = ("causal & q >= 9", "causal & document & q % 8 > 2")  # some queries see nothing
OPTIONS = ("softcap", "alibi", "relative_bias", "sinks")
REACH, BUCKETS = 20, 10  # of the relative bias


@dataclass(frozen=True)
class Case:
    """One draw: a mask, what acts on its scores, and the tensors' sizes."""

    text: str
    head_dim: int
    ratio: int
    kv_heads: int
    dtype: str
    options: tuple[str, ...]
    scale: float
    more_pieces: bool  # as where another layer's head dimension has more of them
    blocks: tuple[int, ...]  # BLOCK_Q, BLOCK_K of each kernel in turn
    one_loop: bool
    split: bool
    rows: tuple[Row, ...]
    seed: int

    @property
    def batch(self) -> int:
        return len(self.rows)

    @property
    def length(self) -> int:
        ids = self.rows[0]["document_ids"]
        assert isinstance(ids, list)
        return len(ids)

    @property
    def variant(self) -> AttentionVariant:
        """What a build would make of a layer that attends so."""
        mask, options = parse_mask(self.text), dict.fromkeys(self.options, True)
        plan = mask_plan(mask)
        plain = not {"sinks", "relative_bias"} & set(self.options)
        sizes = {number.name: number.value for number in mask_numbers(mask)}
        least = pieces(self.head_dim)
        return AttentionVariant(
            name="",
            english=plan.english,
            mask=plan.triton,
            numbers=plan.numbers,
            inputs=plan.inputs,
            causal=plan.causal,
            chunks=pieces(self.head_dim, len(least) + 1) if self.more_pieces else least,
            grouped=self.ratio > 1,
            collapsed=plan.block and plain and sizes["block_size"] in COLLAPSED,
            **options,
        )

    @property
    def tiles(self) -> dict[str, dict[str, Tile]]:
        """Of the interpreter."""
        b, loops = self.blocks, (("ONE_LOOP", 1),) * self.one_loop

        def tile(queries: int, keys: int, *more: tuple[str, int]) -> dict[str, Tile]:
            sizes = (("BLOCK_Q", queries), ("BLOCK_K", keys), *loops, *more)
            return {"interpreter": Tile(sizes, 1, 1)}

        kinds = {
            "attention_forward": tile(b[0], b[1]),
            "attention_dkdv": tile(b[2], b[3], *[("SPLIT", 1)] * self.split),
            "attention_dq": tile(b[4], b[5]),
            "attention_decode": {"interpreter": Tile((("BLOCK_K", 16),), 1, 1)},
            "block_attention_forward": {"interpreter": Tile((), 1, 1)},
            "block_attention_backward": {"interpreter": Tile((), 1, 1)},
        }
        return dict(KernelPlan((), tiles={"": kinds}).launches(""))

    def __str__(self) -> str:
        words = [self.text, self.dtype, f"head dim {self.head_dim}", f"ratio {self.ratio}"]
        words += [f"{self.batch} x {self.length} tokens", f"blocks {self.blocks}", *self.options]
        words += [name for name in ("one_loop", "split", "more_pieces") if getattr(self, name)]
        return ", ".join(words)


def drawn_text(draw: random.Random) -> str:
    """Any mask of the language; one in five asks for the head, too."""
    kind = draw.random()
    if kind < 0.2:
        return draw.choice([*NAMED, *BY_HEAD, *LATE])
    if kind < 0.3:
        return draw.choice(BLOCKS)
    text = random_mask(draw)
    return f"({text}) {draw.choice('&|')} ({draw.choice(BY_HEAD)})" if kind < 0.5 else text


def drawn(seed: int) -> Case:
    """The case of a seed; neighbours differ in head dimension and in ratio."""
    draw = random.Random(seed)
    ratio, length = RATIOS[seed % 3], draw.randrange(17, 64)
    length += length % 16 == 0
    rows = [random_row(draw, length) for _ in range(1 if ratio == 8 else draw.choice([1, 2]))]
    if draw.random() < 0.2:
        rows[0]["lengths"] = 0  # nothing but padding
    text = drawn_text(draw)
    while not mask_plan(parse_mask(text)).triton.keys:  # it shows nothing: see the last test
        text = drawn_text(draw)
    options = tuple(name for name in OPTIONS if draw.random() < 0.35)
    return Case(
        text=text,
        head_dim=HEAD_DIMS[seed % 7],
        ratio=ratio,
        kv_heads=1 if ratio == 8 else draw.choice([1, 2]),
        dtype="float16" if draw.random() < 0.25 else "float32",
        options=options,
        scale=draw.choice([0.05, 0.2]),
        more_pieces=draw.random() < 0.2,
        blocks=tuple(draw.choice([16, 16, 32]) for _ in range(6)),
        one_loop=draw.random() < 0.3,
        split=draw.random() < 0.3,
        rows=tuple(rows),
        seed=seed,
    )


def outcome(case: Case, folder: Path) -> dict[str, Any]:
    """The largest error of the output and of each gradient, relative to the largest entry."""
    import torch

    torch.manual_seed(case.seed)
    dtype, heads = getattr(torch, case.dtype), case.ratio * case.kv_heads
    shapes = [(case.batch, case.length, n, case.head_dim) for n in (heads, *[case.kv_heads] * 2)]
    q, k, v = (torch.randn(shape).to(dtype).transpose(1, 2) for shape in shapes)
    grad = torch.randn(shapes[0]).to(dtype).transpose(1, 2)
    leaves, given = {"q": q, "k": k, "v": v}, {"scale": case.scale}
    if "relative_bias" in case.options:
        leaves["bias"] = torch.randn(BUCKETS, heads)
        given["buckets"] = torch.randint(BUCKETS, (2 * REACH + 1,)).int()
    if "sinks" in case.options:
        leaves["sinks"] = torch.randn(heads)
    given |= {"softcap": 2.0} if "softcap" in case.options else {}
    given |= {"slopes": torch.rand(heads)} if "alibi" in case.options else {}
    made = case.variant
    values = {number.name: number.value for number in mask_numbers(parse_mask(case.text))}
    fixed = {name: values[name] for name in made.numbers}
    fixed |= {
        name: torch.tensor([row[name] for row in case.rows], dtype=torch.int32)
        for name in made.inputs
    }
    seen = torch.from_numpy(seen_by_head(case))

    def run(function: Any, leaves: dict[str, Any], grad: Any, **more: Any) -> dict[str, Any]:
        leaves = {name: leaf.detach().clone().requires_grad_() for name, leaf in leaves.items()}
        out = function(**leaves, **given, **more)
        found = torch.autograd.grad(out, list(leaves.values()), grad)
        return {"output": out.detach(), **dict(zip(leaves, found, strict=True))}

    kernels = imported(case, made, folder)
    ours = run(kernels.attention, leaves, grad, **fixed)
    wide = {name: leaf.double() for name, leaf in leaves.items()}
    wanted = run(dense, wide, grad.double(), seen=seen)
    largest = max(float(w.abs().max()) for name, w in wanted.items() if name != "output")
    errors = {}
    for name, value in wanted.items():
        size = float(value.abs().max()) if name == "output" else largest
        worst = float((ours[name].double() - value).abs().nan_to_num(float("inf")).max())
        errors[name] = worst / max(size, 1e-30)
    return {
        "seed": case.seed,
        "case": str(case),
        "dtype": case.dtype,
        "errors": errors,
        "blind": int((~seen.any(-1)).sum()),
        "collapsed": made.collapsed,
    }


def dense(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor | None = None,
    sinks: Tensor | None = None,
    *,
    seen: Tensor,
    scale: float,
    softcap: float | None = None,
    slopes: Tensor | None = None,
    buckets: Tensor | None = None,
) -> Tensor:
    """What the kernels should give, from the whole score matrix; zeros for a blind query."""
    import torch

    k, v = (x.repeat_interleave(q.size(1) // k.size(1), dim=1) for x in (k, v))
    scores = scale * q @ k.mT
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    distance = torch.arange(q.size(2))[:, None] - torch.arange(q.size(2))
    if slopes is not None:
        scores = scores - slopes.double()[:, None, None] * distance.abs()
    if bias is not None and buckets is not None:
        near = distance.clamp(-REACH, REACH) + REACH
        scores = scores + bias[buckets[near]].permute(2, 0, 1)
    scores = scores.masked_fill(~seen, float("-inf"))
    if sinks is None:
        return scores.softmax(-1).where(seen.any(-1, keepdim=True), 0.0) @ v
    sink = sinks[:, None, None].expand(*scores.shape[:3], 1)
    return torch.cat((scores, sink), dim=-1).softmax(-1)[..., :-1] @ v


def seen_by_head(case: Case) -> Any:
    """(batch, heads, query, key), as the oracle reads the mask."""
    import numpy as np

    from tests import oracle

    names, heads = ("document_ids", "prefix_lengths", "lengths"), case.ratio * case.kv_heads
    columns = {name: np.array([row[name] for row in case.rows]) for name in names}
    seen = oracle.visible(case.text, case.length, heads, columns)
    return np.broadcast_to(seen, (case.batch, heads, case.length, case.length)).copy()


def imported(case: Case, made: AttentionVariant, folder: Path) -> Any:
    """A kernels.py of this case alone: Triton reads a kernel's source from its file."""
    name = f"kernels_{case.seed}"
    path = folder / f"{name}.py"
    path.write_text(kernels_file([made], case.tiles, namespace=name), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def started(first: int, count: int, folder: Path) -> subprocess.Popen[str]:
    """A process that runs some cases; TRITON_INTERPRET must be set before triton is imported."""
    env = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.kernels.test_random_masks"]
    return subprocess.Popen(
        [*command, str(first), str(count), str(folder)],
        env=env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    out, err = process.communicate()
    assert process.returncode == 0, err
    found: list[dict[str, Any]] = json.loads(out)
    return found


def check(found: dict[str, Any]) -> None:
    assert "failure" not in found, f"{found['case']}\n{found['failure']}"
    limit = LIMITS[found["dtype"]]
    wrong = {name: error for name, error in found["errors"].items() if not error <= limit}
    assert not wrong, f"seed {found['seed']}: {found['case']}: {wrong}"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the cases of the default run came to, in two processes side by side."""
    folder = tmp_path_factory.mktemp("random_masks")
    running = [started(first, PART, folder) for first in range(0, FAST, PART)]
    return [found for process in running for found in finished(process)]


@pytest.mark.drawn
@pytest.mark.parametrize("index", range(FAST), ids=lambda index: drawn(index).text)
def test_kernels_of_random_masks_agree_with_float64(
    index: int, outcomes: list[dict[str, Any]]
) -> None:
    check(outcomes[index])


def test_some_of_the_cases_have_queries_that_see_nothing(outcomes: list[dict[str, Any]]) -> None:
    assert sum(found.get("blind", 0) > 0 for found in outcomes) >= 2


@pytest.mark.long
@pytest.mark.parametrize("first", range(FAST, FAST + LONG, PART))
def test_kernels_of_many_random_masks_agree_with_float64(first: int, tmp_path: Path) -> None:
    for found in finished(started(first, PART, tmp_path)):
        check(found)


def test_the_cases_are_of_every_kind() -> None:
    cases = [drawn(seed) for seed in range(FAST + LONG)]
    pairs = {(case.head_dim, case.ratio) for case in cases}
    assert pairs == {(head_dim, ratio) for head_dim in HEAD_DIMS for ratio in RATIOS}
    assert all(case.length % 16 for case in cases)
    assert all(sum(option in case.options for case in cases) > 12 for option in OPTIONS)
    read = {name for case in cases for name in case.variant.inputs}
    assert read == {"document_starts", "document_ends", "prefix_lengths", "lengths"}
    assert sum(case.variant.collapsed for case in cases) > 3
    assert sum("h" in case.variant.terms() for case in cases) > 20


def test_a_block_that_sees_its_own_future_can_be_written() -> None:
    case = replace(drawn(0), text="block(16)", options=(), head_dim=64)
    assert case.variant.collapsed
    kernels_file([case.variant], case.tiles)


def main(first: str, count: str, folder: str) -> None:
    found = []
    for seed in range(int(first), int(first) + int(count)):
        case = drawn(seed)
        try:
            found.append(outcome(case, Path(folder)))
        except Exception:
            found.append({"seed": seed, "case": str(case), "failure": traceback.format_exc()})
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
