"""Specs that ask for too much: refused where they do, in no time and with little memory."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from codegen.errors import SpecError
from codegen.plan import lower, warnings
from codegen.spec import load_spec
from tests.confined import in_child
from tests.spec.test_mutations import SECONDS, WAIT, late

MEMORY = 400 << 20
MANY = 4_000


def mask(text: str, more: str = "") -> str:
    return f'name: big\nmodel: {{attention: {{mask: "{text}"}}{more}}}\n'


def masks(texts: list[str]) -> str:
    kinds = ", ".join(f'k{i}: {{attention: {{mask: "{text}"}}}}' for i, text in enumerate(texts))
    order = ", ".join(f"k{i}" for i in range(len(texts)))
    return f"name: big\nmodel: {{blocks: {{{kinds}}}, layers: [{order}]}}\n"


LONG = "x" * 900_000
REFUSED = {
    "a value that aliases repeat": (
        f'a: &a "{LONG}"\nb: [{", ".join(["*a"] * 15_000)}]\n', "a value of more than 2,000",
    ),
    "a name": (f"name: {LONG}\n", "a value of more than 2,000"),
    "unknown fields": (
        "name: big\nmodel:\n" + "".join(f"  atention{i}: 1\n" for i in range(2 * MANY)),
        "more mistakes",
    ),
    "unknown fields of many kinds of blocks": (
        "model: {blocks: {" + ", ".join(f"k{i}: {{atention: 1}}" for i in range(MANY)) + "}}\n",
        "more mistakes",
    ),
    "kinds of blocks": (masks(["causal"] * 65), "expected 64 values at most, got 65"),
    "layers": ("name: big\nmodel: {layers: 1001}\n", "1001 layers, more than 1,000"),
    "layers by name": (
        f"name: big\nmodel: {{blocks: {{a: {{}}}}, layers: [{', '.join(['a'] * MANY)}]}}\n",
        "4000 layers, more than 1,000",
    ),
    "an order of layers": (
        f"name: big\ntask: masked-lm\nmodel: {{order: [{', '.join(['0'] * MANY)}]}}\n",
        "4000 layers in a pass, more than 1,000",
    ),
    "a mask": (mask("&".join(["causal"] * 33)), "more than 32 numbers and words"),
    "a comparison": (mask("k < " + "+".join("q" * 400)), "more than 32 numbers and words"),
    "forms of masks": (
        masks([f"causal & q * k % {i + 3} > 1" for i in range(7)]), "more than 6 forms of masks",
    ),
    "masks": (
        masks([f"causal & (window({i + 2}) | sink({i + 1}))" for i in range(60)]),
        "masks of more than 192 numbers and words in all",
    ),
    "a head": ("name: big\nmodel: {attention: {head_dim: 4096}}\n", "heads of 4096 dimensions"),
    "a head by a model's width": (
        f"name: big\nmodel: {{d_model: {2**47}, attention: {{heads: 1}}}}\n", "more heads",
    ),
    "a head of attention to a source": (
        "name: big\ntask: seq2seq-lm\nmodel: {cross_attention: {head_dim: 4096}}\n",
        "heads of 4096 dimensions",
    ),
    "a model type": (f"name: big\ncheckpoint: {{huggingface: {'x' * 1_999}}}\n", "xxx..."),
}  # fmt: skip
OPAQUE = [f"q * k % {i + 3} == 1" for i in range(6)]
LOWERED = {
    "1,000 layers": "name: big\nmodel: {layers: 1000}\n",
    "1,000 layers of two stacks": "name: big\ntask: seq2seq-lm\nmodel: {layers: 1000}\n",
    "32 kinds of blocks": masks([f"causal & window({i + 2})" for i in range(64)]),
    "19 masks": masks([f"causal & (window({i + 2}) | sink({i + 1}))" for i in range(19)]),
    "pairs that must be tried": mask("causal & (" + " | ".join(OPAQUE) + ")"),
    "pairs of many heads": mask("causal & q * k % 7 == 7 + h", f", d_model: {2**31}").replace(
        "{mask", f"{{heads: {2**31 // 64}, mask"
    ),
    "strides over a long context": mask("causal & dilated(2)", f", context_length: {2**48}"),
    "strides over strides": mask(
        "causal & (" + " | ".join(f"dilated({i + 2})" for i in range(15)) + ")",
        ", context_length: 65536",
    ),
    "edges": mask(
        "causal & (" + " | ".join(f"q == {2 * i}" for i in range(10, 25)) + ")",
        f", context_length: {2**48}",
    ),
    "six forms of masks": masks([f"causal & q * k % {i + 3} > {i}" for i in range(6)]),
    "keys and values of other layers": (
        "name: big\nmodel: {layers: {pattern: [{a: 499}, {b: 500}]},\n"
        "  blocks: {a: {}, b: {attention: {kv_of: a}}}}\n"
    ),
}


def watch() -> None:
    signal.signal(signal.SIGPROF, late)
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WAIT)


@pytest.mark.parametrize("case", REFUSED)
def test_a_spec_that_asks_for_too_much_is_refused_at_once(tmp_path: Path, case: str) -> None:
    text, reason = REFUSED[case]

    def load() -> str:
        watch()
        with pytest.raises(SpecError) as caught:
            load_spec(write(tmp_path, text), tmp_path)
        return str(caught.value)

    said = in_child(load, [tmp_path], MEMORY)
    assert reason in said and len(said) < 60_000
    assert said.startswith("spec.yaml:")


@pytest.mark.parametrize("case", LOWERED)
def test_a_spec_at_a_limit_is_worked_out_at_once(tmp_path: Path, case: str) -> None:
    def work_out() -> None:
        watch()
        loaded = load_spec(write(tmp_path, LOWERED[case]), tmp_path)
        lower(loaded)
        warnings(loaded)

    in_child(work_out, [tmp_path], MEMORY)


def write(folder: Path, text: str) -> Path:
    spec = folder / "spec.yaml"
    spec.write_text(text)
    return spec


def test_specs_that_extend_each_other_are_as_large_as_one_may_be(tmp_path: Path) -> None:
    fields = "".join(f"  x{i}: 1\n" for i in range(9_000))
    for index in range(5):
        parent = f"extends: s{index + 1}.yaml\n" if index < 4 else ""
        (tmp_path / f"s{index}.yaml").write_text(f"{parent}model:\n{fields}")
    with pytest.raises(SpecError, match="more than 20,000 values") as caught:
        load_spec(tmp_path / "s0.yaml", tmp_path)
    (finding,) = caught.value.diagnostics
    assert finding.position and finding.position.path == "s2.yaml"


@pytest.mark.parametrize("said", ["spec.yaml", "extends: spec.yaml"])
def test_a_pipe_is_no_spec_and_is_not_waited_for(tmp_path: Path, said: str) -> None:
    os.mkfifo(tmp_path / "spec.yaml")
    path = tmp_path / "spec.yaml"
    if said.startswith("extends"):
        path = tmp_path / "other.yaml"
        path.write_text(f"name: other\n{said}\n")

    def load() -> str:
        watch()
        signal.setitimer(signal.ITIMER_REAL, 5)
        with pytest.raises(SpecError) as caught:
            load_spec(path, tmp_path)
        return str(caught.value)

    said = in_child(load, [tmp_path])
    assert "it is no file" in said or "no such file" in said
