"""Specs with random damage: whatever a file holds, the answer is a spec or a SpecError."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from codegen.errors import SpecError
from codegen.spec import BrokenVariant, load_specs
from codegen.spec.rewrite import rewrite

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))
WORDS = [
    b"\t", b"  ", b"\n", b"\r", b": ", b", ", b"- ", b"[", b"]", b"{", b"}", b"&a ", b"*a", b"!",
    b"|", b">", b"'", b'"', b"#", b"? ", b"%", b"@", b"<<: *a", b"---", b"...", b"null", b"no",
    b"1e999", b".nan", b"-1", b"0", b"281474976710656", b"0o7", b"\\x00", b"\x00", b"\xff",
    "é\u2028".encode(), b"causal & window(1, ", b"~", b"none", b"linear", b"rms", b"name: x",
    b"extends: gpt.yaml", b"blocks: {a: {}, b: {}}", b"[a, b]", b"kind: ", b"model:\n",
    b"sqrt(d_model)", b"((((",
    b"version: 1\n", b"variants: {heads: [4, 5], ", b"variants:\n  norm: [rms, layer]\n",
    b"context: ",
]  # fmt: skip


def damaged(text: bytes, random_: random.Random) -> bytes:
    """The text after one to four random edits."""
    for _ in range(random_.randint(1, 4)):
        at, end = sorted(random_.randrange(len(text) + 1) for _ in range(2))
        end = min(end, at + random_.choice((1, 1, 8, 60)))
        match random_.randrange(5):
            case 0:
                text = text[:at] + text[end:]
            case 1:
                text = text[:at] + random_.choice(WORDS) + text[at:]
            case 2:
                text = text[:at] + random_.choice(WORDS) + text[end:]
            case 3:
                text = text[:at] + bytes([random_.randrange(256)]) + text[at + 1 :]
            case _:
                text = text[:end] + text[at:end] * random_.choice((1, 1, 30)) + text[end:]
    return text


def survive(folder: Path, count: int, seed: int) -> None:
    for path in SPECS:
        (folder / path.name).write_bytes(path.read_bytes())
    refused = 0
    for index in range(count):
        random_ = random.Random(f"{seed} {index}")
        spec = folder / "spec.yaml"
        spec.write_bytes(damaged(random_.choice(SPECS).read_bytes(), random_))
        before = time.monotonic()
        try:
            for made in load_specs(spec, folder):
                if isinstance(made, BrokenVariant):
                    raise made.error
        except SpecError as error:
            refused += 1
            for finding in error.diagnostics:
                at = finding.position
                assert at, (index, finding)
                assert at.line >= 1 and at.column >= 1, (index, finding)
                if at.text:  # the caret is under the line, or right after it
                    assert at.column <= len(at.text) + 1, (index, finding)
        except Exception as error:
            raise AssertionError(f"mutation {index}: {spec.read_bytes()!r}") from error
        assert time.monotonic() - before < 2, index
    assert refused > count / 2


def test_a_damaged_spec_is_a_spec_or_a_spec_error(tmp_path: Path) -> None:
    survive(tmp_path, 400, seed=1)


def test_a_damaged_spec_is_migrated_or_a_spec_error() -> None:
    done = 0
    for index in range(400):
        random_ = random.Random(f"3 {index}")
        text = damaged(random_.choice(SPECS).read_bytes(), random_).decode("utf-8", "replace")
        text = text.replace("context_length", "context")
        try:
            made = rewrite(text, "spec.yaml")
        except SpecError:
            continue
        done += bool(made.done)
        assert rewrite(made.text, "spec.yaml").done == ()
    assert done


@pytest.mark.long
def test_thousands_of_damaged_specs_are_specs_or_spec_errors(tmp_path: Path) -> None:
    survive(tmp_path, 5_000, seed=2)
