"""The attention kernels in Triton's interpreter against float64, and how their source reads."""

from __future__ import annotations

import ast
import functools
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codegen.plan.kernels.attention_kernels import attention_kernels
from codegen.plan.kernels.attention_variant import AttentionVariant, pieces
from tests.kernels.variants import MASKS, kernels_file, variant

ROOT = Path(__file__).parent.parent.parent
LIMITS = {"float32": 2e-5, "float16": 1e-3}
NUMBERS = {
    "window": {"window": 20},
    "sink": {"window": 20, "sink": 5},
    "islands": {"window": 9, "sink": 20},
    "block": {"block": 16},
}
ALL = ("softcap", "alibi", "relative_bias", "sinks", "dropout")

Case = dict[str, Any]


def case(mask: str, name: str = "", **more: Any) -> Case:
    return {"mask": mask, "name": f"{name or mask}_", "numbers": NUMBERS.get(mask, {}), **more}


def one_piece() -> list[tuple[AttentionVariant, list[Case]]]:
    """Head dimensions that are powers of two."""
    plain = [(mask, variant(mask, 16, f"{mask}_")) for mask in MASKS]
    found = [
        (v, [case(mask, time=70, head_dim=16, heads=1, batch=3 if mask == "padding" else 2)])
        for mask, v in plain
    ]
    grouped = variant("sink", 64, "grouped_", grouped=True)
    every = variant("sink", 64, "every_", grouped=True, **dict.fromkeys(ALL, True))
    collapsed = variant("block", 16, "collapsed_", grouped=True, collapsed=True)
    capped = variant("block", 16, "capped_", collapsed=True, softcap=True, alibi=True)
    lonely = variant("padding", 16, "lonely_", sinks=True)
    cases = {"time": 50, "head_dim": 64, "heads": 3, "group": 3, "batch": 1}
    return [
        *found,
        (grouped, [case("sink", "grouped", **cases)]),
        (grouped, [case("sink", "grouped", **cases, dtype="float16")]),
        (every, [case("sink", "every", **cases, options=ALL)]),
        (every, [case("sink", "every", **cases, run="decode", options=ALL)]),
        (plain[1][1], [case("causal", time=32, head_dim=8)]),
        (collapsed, [case("block", "collapsed", time=40, head_dim=16, heads=3, group=3)]),
        (capped, [case("block", "capped", time=40, head_dim=16, options=("softcap", "alibi"))]),
        (lonely, [case("padding", "lonely", time=40, head_dim=16, batch=3, options=("sinks",))]),
        (plain[2][1], [case("window", run="compile")]),
    ]


def two_pieces() -> list[tuple[AttentionVariant, list[Case]]]:
    """Head dimensions that are sums of two."""
    v = variant("window", 96, "window_", grouped=True)
    every = variant("document", 96, "every_", grouped=True, **dict.fromkeys(ALL, True))
    collapsed = variant("block", 96, "collapsed_", collapsed=True)
    dims = (80, 96, 192, 256, 24)
    return [
        (v, [case("window", time=37, head_dim=d, heads=2, group=2, batch=1) for d in dims]),
        (v, [case("window", time=33, head_dim=96, heads=8, group=8, batch=1, dtype="float16")]),
        (v, [case("window", time=33, head_dim=80, heads=6, group=3, run="decode")]),
        (every, [case("document", "every", time=37, head_dim=96, heads=2, group=2, options=ALL)]),
        (collapsed, [case("block", "collapsed", time=37, head_dim=80)]),
    ]


BATCHES = {"one piece": one_piece(), "two pieces": two_pieces()}
CASES = {
    batch: [case for _, cases in groups for case in cases] for batch, groups in BATCHES.items()
}


def shown(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    words = (value["name"], value.get("run"), value.get("head_dim"), value.get("dtype"))
    return "-".join(str(word) for word in words if word)


@functools.cache
def file_of(batch: str) -> str:
    variants = {v.name: v for v, _ in BATCHES[batch]}
    return kernels_file(list(variants.values()), namespace=batch.replace(" ", "_"))


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, float]]]:
    """What each case of each batch came to; the batches run side by side."""
    env = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    running = {}
    for batch in BATCHES:
        path = tmp_path_factory.mktemp("kernels") / "kernels.py"
        path.write_text(file_of(batch))
        program = str(ROOT / "tests/kernels/reference.py")
        command = [sys.executable, program, str(path), json.dumps(CASES[batch])]
        running[batch] = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    found = {}
    for batch, process in running.items():
        out, err = process.communicate()
        assert process.returncode == 0, err
        found[batch] = json.loads(out)
    return found


@pytest.mark.drawn
@pytest.mark.parametrize(
    ("batch", "index", "case"),
    [(batch, i, case) for batch, cases in CASES.items() for i, case in enumerate(cases)],
    ids=shown,
)
def test_kernels_agree_with_float64(
    batch: str, index: int, case: Case, errors: dict[str, list[dict[str, float]]]
) -> None:
    limit = LIMITS[case.get("dtype", "float32")]
    assert all(error <= limit for error in errors[batch][index].values()), errors[batch][index]


VARIANTS = [
    variant(mask, head_dim, **options)
    for mask, head_dim, options in itertools.product(
        MASKS, (64, 96), ({}, {"grouped": True}, dict.fromkeys(ALL, True))
    )
] + [variant("block", 64, collapsed=True), variant("block", 96, collapsed=True, grouped=True)]


@pytest.mark.parametrize("v", VARIANTS[::5] + VARIANTS[-2:], ids=lambda v: v.english)
def test_the_plan_names_the_arguments_of_each_kernel(v: AttentionVariant) -> None:
    tree = ast.parse(kernels_file([v]))
    functions = {f.name: f.args.args for f in tree.body if isinstance(f, ast.FunctionDef)}
    numbers = {"window": 20, "sink": 5, "block": 16}
    kernels = attention_kernels(v, numbers, sum(v.chunks), group=4 if v.grouped else 1)
    for kernel in kernels:
        given = dict(kernel.signature)
        assert list(given) == [a.arg for a in functions[kernel.name]], kernel.kind
        sizes = {a.arg for a in functions[kernel.name] if a.annotation is not None}
        assert sizes == {name for name, kind in given.items() if kind == "constexpr"}
        assert sizes >= {name for name, _ in kernel.constants}


@pytest.mark.parametrize("batch", list(BATCHES))
def test_the_kernels_read_as_if_written_by_hand(batch: str, tmp_path: Path) -> None:
    text = file_of(batch)
    assert text.isascii() and "\n\n\n\n" not in text
    assert max(map(len, text.splitlines())) <= 100
    path = tmp_path / "kernels.py"
    path.write_text(text)
    rules = ["--isolated", "--line-length=100", "--select=E,F,W,I,B,UP,C4,SIM,RUF"]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *rules, str(path)], capture_output=True, text=True
    )
    assert not done.returncode, done.stdout


@pytest.mark.parametrize(
    ("head_dim", "sizes"),
    [(64, (64,)), (96, (64, 32)), (192, (128, 64)), (80, (64, 16)), (256, (128, 128)), (8, (16,))],
)
def test_head_dimensions_are_sums_of_powers_of_two(head_dim: int, sizes: tuple[int, ...]) -> None:
    assert pieces(head_dim) == sizes
