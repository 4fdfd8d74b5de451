"""Texts that belong together are found as often as a search through all of them by numpy finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.packages import import_package

MODEL: dict[str, Any] = {
    "vocab_size": 256,
    "context_length": 32,
    "d_model": 32,
    "layers": 1,
    "attention": {"heads": 2},
    "pooling": {"kind": "mean", "normalize": True},
}


def test_counterparts_are_found_as_numpy_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    spec: dict[str, Any] = {"name": "pairs_found", "task": "embedding", "model": MODEL}
    spec["data"] = {"tokenizer": "byte", "prompts": {"query": "q: "}}
    train, embed, evaluate = import_package(tmp_path, spec, "train", "embed", "evaluate")
    names = ["ann", "bob", "cy", "dora", "eve", "fay", "gil", "hugo"]
    rows = [(f"{one} sees {other}", f"{other} {n % 5}") for n, one in enumerate(names)
            for other in names]  # fmt: skip
    Path("pairs.tsv").write_text("".join(f"{one}\t{other}\n" for one, other in rows))
    given = ["--data", "pairs.tsv", "--steps", "4", "--batch", "8", "--eval-every", "4"]
    assert train.main([*given, "--out", "out", "--lr", "3e-3"]) == 0
    asked = ["--checkpoint", "out", "--json", "found.json"]
    assert evaluate.main(asked) == 0
    assert json.loads(Path("found.json").read_text())[0]["count"] == 6  # that the run held out
    capsys.readouterr()
    assert evaluate.main([*asked, "--data", "pairs.tsv", "--prompt", "query", "--batch", "7"]) == 0
    said = capsys.readouterr().out
    assert "64 pairs of pairs.tsv" in said and max(map(len, said.splitlines())) <= 80
    (found,) = json.loads(Path("found.json").read_text())

    options = embed.parse_options(["--checkpoint", "out"])
    model, tokenizer = embed.load(options.checkpoint, "cpu"), embed.find_tokenizer(options)
    firsts = embed.embed(model, tokenizer, [f"q: {one}" for one, _ in rows], 32, "cpu").numpy()
    others = list(dict.fromkeys(other for _, other in rows))
    seconds = embed.embed(model, tokenizer, others, 32, "cpu").numpy()
    assert len(others) < len(rows)  # some counterparts are one text
    near = firsts.astype(np.float64) @ seconds.T.astype(np.float64)
    ranks = np.array([
        sum(near[at] > near[at, others.index(other)] + 1e-6) for at, (_, other) in enumerate(rows)
    ])  # fmt: skip
    wanted = {"found first": np.mean(ranks == 0), "among 5": np.mean(ranks < 5)}
    wanted |= {"among 10": np.mean(ranks < 10), "mean reciprocal rank": np.mean(1 / (1 + ranks))}
    assert 0 < wanted["found first"] < wanted["among 5"] < 1
    for name, value in wanted.items():
        figure = found["figures"][name]
        assert figure["value"] == pytest.approx(value), name
        if name != "mean reciprocal rank":  # a share of 64
            error = (value * (1 - value) / 63) ** 0.5
            assert figure["standard error"] == pytest.approx(error)
    assert evaluate.main([*asked, "--data", "pairs.tsv", "--prompt", "odd"]) == 2
    assert "the prompt odd is none of query" in capsys.readouterr().err
