"""Chats are read from files of several forms, and drawn as asked."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow
import pytest
import torch
from pyarrow import parquet
from safetensors.torch import save_file

from tests.chats.small import TEXT, chats, messages, spec_of, write_rows, write_tokenizer
from tests.packages import import_package

SAID = messages([("user", "What is two?"), ("assistant", "Four, of course.")])
FORMS: dict[str, tuple[dict[str, Any], str]] = {
    "messages": ({"messages": SAID, "id": 3}, ""),
    "conversations": (
        {
            "conversations": [
                {"from": "human", "value": SAID[0]["content"]},
                {"from": "gpt", "value": SAID[1]["content"]},
            ]
        },
        "",
    ),
    "prompt and response": (
        {"prompt": SAID[0]["content"], "response": SAID[1]["content"]},
        "",
    ),
    "lists of prompt and completion": ({"prompt": SAID[:1], "completion": SAID[1:]}, ""),
    "other names": ({"q": SAID[0]["content"], "a": SAID[1]["content"]}, "q,a"),
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> list[ModuleType]:
    folder = tmp_path_factory.mktemp("rows")
    return import_package(folder, spec_of("rows", "chat"), "data", "options", "train", "model")


def read(package: list[ModuleType], folder: Path, *more: str) -> Any:
    """What a run of these options reads."""
    data, options, _, model = package
    tokenizer = folder / "tokenizer" / "tokenizer.json"
    if not tokenizer.exists():
        write_tokenizer(tokenizer.parent)
    given = ["--tokenizer", str(tokenizer), "--out", str(folder / "out"), *more]
    asked = options.parse_options(given)
    return data.read_data(asked, model.Config())[0], asked


def texts(chats: Any) -> list[str]:
    """The examples to train on, as texts."""
    examples = chats.train
    each = zip(examples.starts, examples.starts[1:], strict=False)
    tokenizer = chats.tokenizer
    return [tokenizer.decode(examples.tokens[a:b].tolist()) for a, b in each]


@pytest.mark.parametrize("form", FORMS)
def test_rows_of_several_forms_are_one_chat(
    package: list[ModuleType], form: str, tmp_path: Path
) -> None:
    row, fields = FORMS[form]
    path = write_rows(tmp_path / "rows.jsonl", [row] * 4)
    found, _ = read(package, tmp_path, "--data", str(path), "--fields", fields)
    wanted = read(
        package, tmp_path, "--data", str(write_rows(tmp_path / "b.jsonl", [{"messages": SAID}] * 4))
    )[0]
    assert texts(found) == texts(wanted)
    assert (found.train.trained == wanted.train.trained).all()


def test_parquet_is_read_as_lines_are(package: list[ModuleType], tmp_path: Path) -> None:
    rows = [{"messages": chat} for chat in chats(20)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
    write_rows(tmp_path / "rows.jsonl", rows)
    one, other = (
        read(package, tmp_path, "--data", str(tmp_path / name))[0]
        for name in ("rows.parquet", "rows.jsonl")
    )
    assert texts(one) == texts(other) and len(one.train) == 18 and len(one.validation) == 2


MISTAKES: dict[str, tuple[Any, str]] = {
    "no field": ({"text": "a"}, "has no messages; conversations; prompt, response; prompt, comp"),
    "no object": ([1], "is no object"),
    "no answer": ({"messages": SAID[:1]}, "has no answer"),
    "an empty answer": ({"prompt": "a", "response": " "}, "has an empty answer"),
    "no text": ({"prompt": "a", "response": 3}, "`response` is not a text or a list"),
    "a list of texts": ({"messages": ["a"]}, "has a message without role and content"),
    "content that is none": (
        {"messages": [SAID[0], {"role": "assistant", "content": None}]},
        "a content that is no text",
    ),
    "a mark": ({"prompt": "a", "response": "\ufdd0"}, "one that stands for none"),
    "half a character": ({"prompt": "a", "response": "\ud800"}, "has half a character"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_an_error_names_the_line(package: list[ModuleType], case: str, tmp_path: Path) -> None:
    row, words = MISTAKES[case]
    path = write_rows(tmp_path / "rows.jsonl", [{"messages": SAID}, row])
    with pytest.raises(ValueError, match=f"rows.jsonl:2.*{words}"):
        read(package, tmp_path, "--data", str(path))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--too-long", "keep"], "not drop or cut"),
        (["--weights", "1", "2"], "--weights has 2 numbers, and --data 1"),
        (["--weights", "none"], "not of numbers above 0"),
        (["--tokenizer", ""], "say with --tokenizer"),
        (["--tokenizer", "byte"], "neither char, byte nor"),
        (["--fields", "messages,a,b"], "has no messages,a,b"),
        (["--context-length", "97"], "the model's is 96"),
        (["--validation", "1.0"], "not a fraction|can't be"),
    ],
)
def test_what_is_asked_wrongly_is_said(
    package: list[ModuleType], more: list[str], words: str, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [{"messages": SAID}] * 4)
    with pytest.raises(ValueError, match=words):
        read(package, tmp_path, "--data", str(path), *more)


def test_long_rows_are_dropped_or_cut_and_counted(
    package: list[ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = messages([("user", "What"), ("assistant", TEXT * 3)])
    asked = messages([("user", TEXT * 3), ("assistant", "Four")])
    rows = [{"messages": chat} for chat in (*chats(10), answer, asked)]
    more = ["--data", str(write_rows(tmp_path / "rows.jsonl", rows)), "--context-length", "70"]
    dropped, _ = read(package, tmp_path, *more, "--validation", "0.1")
    assert len(dropped.train) + len(dropped.validation) == 10
    assert "2 of 12 rows have more than 71 tokens: dropped" in capsys.readouterr().out
    cut, _ = read(package, tmp_path, *more, "--too-long", "cut")
    out = capsys.readouterr().out
    assert "2 of 12 rows have more than 71 tokens: cut" in out
    assert "1 rows have no trained token in their first 71: dropped" in out
    assert len(cut.train) + len(cut.validation) == 11
    assert cut.validation.starts[-1] - cut.validation.starts[-2] == 71


def test_the_first_chat_is_shown_with_its_answers_in_brackets(
    package: list[ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = messages([("user", "What\x1b[31m " * 5), ("assistant", "Four of course " * 8)])
    path = write_rows(tmp_path / "rows.jsonl", [{"messages": said}] * 4)
    read(package, tmp_path, "--data", str(path))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and "\x1b" not in "".join(lines)
    shown = "".join(lines)
    assert shown.count("assistant[Four of course") == 1 and "<|im_end|>]" in shown


def test_sources_are_drawn_by_their_weights_each_in_passes(
    package: list[ModuleType], tmp_path: Path
) -> None:
    paths = [
        str(write_rows(tmp_path / f"{n}.jsonl", [{"messages": c} for c in chats(20, n)]))
        for n in range(2)
    ]
    found, _ = read(package, tmp_path, "--data", *paths, "--weights", "3", "1")
    sizes = [found.train.sources[n + 1] - found.train.sources[n] for n in range(2)]
    assert sizes == [18, 18]
    slots = np.arange(2500)
    drawn = found.train.drawn(7, slots)
    first = drawn < found.train.sources[1]
    assert abs(first[:1000].sum() - 750) <= 1 and abs(first[:2000].sum() - 1500) <= 1
    for source in (drawn[first], drawn[~first]):  # each example once in each pass
        for begin in range(0, len(source) - 18, 18):
            assert len({*source[begin : begin + 18]}) == 18
    assert package[0].parts_of([1e6, 1.0, 1.0, 1.0]) == (997, 1, 1, 1)
    assert package[0].parts_of([1.0, 1.0, 1.0]) == (334, 333, 333)
    apart = np.concatenate([found.train.drawn(7, part) for part in np.split(slots, [1, 990, 1013])])
    assert (apart == drawn).all()  # by the slot alone, as a resumed run needs it
    assert (found.train.drawn(8, slots) != drawn).any()


@pytest.mark.parametrize("packing", [True, False])
def test_two_ranks_read_what_one_reads_with_twice_the_batch(packing: bool, tmp_path: Path) -> None:
    spec = spec_of(f"ranks_{packing}".lower(), "chat", data={"packing": packing})
    package = import_package(tmp_path, spec, "data", "options", "train", "model")
    path = write_rows(tmp_path / "rows.jsonl", [{"messages": chat} for chat in chats(40)])
    found, asked = read(package, tmp_path, "--data", str(path), "--batch", "3")
    data = package[0]
    model = package[3].Model(package[3].Config())
    model.init_weights()

    def summed(batches: list[Any]) -> tuple[torch.Tensor, Counter[int]]:
        losses = [model(**fields(batch), reduction="sum") for batch in batches]
        wanted = torch.cat([batch.targets[batch.targets != data.IGNORE] for batch in batches])
        return torch.stack(losses).sum(), Counter(wanted.tolist())

    def fields(batch: Any) -> dict[str, torch.Tensor]:
        named: dict[str, torch.Tensor] = batch._asdict()
        return named

    for step in range(3):
        ranks = [data.random_batches(found, asked, step, rank, 2) for rank in range(2)]
        twice = type(asked)(**{**vars(asked), "batch": 6})
        (one,) = data.random_batches(found, twice, step, 0, 1)
        ours, wanted = summed([batch for rank in ranks for batch in rank]), summed([one])
        torch.testing.assert_close(ours[0], wanted[0], rtol=1e-5, atol=1e-5)
        assert ours[1] == wanted[1]
        if packing:
            assert len(one.tokens) < 6  # several in a row


def test_what_is_kept_beside_checkpoints_lets_models_chat(
    package: list[ModuleType], tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [{"messages": SAID}] * 4)
    found, _ = read(package, tmp_path, "--data", str(path))
    found.save(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["eos_token"] == "<|im_end|>"
    assert (tmp_path / "chat_template.jinja").is_file() and (tmp_path / "tokenizer.json").is_file()


@pytest.mark.parametrize("task", ["chat", "preference"])
def test_a_vocabulary_grows_for_chats_where_weights_have_fewer_tokens(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = write_tokenizer(tmp_path / "tokenizer")
    spec = spec_of("fewer", task, model={"vocab_size": 300})
    (train, model) = import_package(tmp_path, spec, "train", "model")
    rows: list[Any] = [{"messages": chat} for chat in chats(20)]
    if task == "preference":
        rows = [{"prompt": "Two?", "chosen": f"{n}", "rejected": "no"} for n in range(20)]
    given = ["--data", str(write_rows(tmp_path / "rows.jsonl", rows)), "--tokenizer", str(tokens)]
    given += ["--batch", "2", "--steps", "1", "--warmup", "0"]
    weights = {f"model.{n}": p for n, p in model.Model(model.Config()).named_parameters()}
    save_file(weights, tmp_path / "few.safetensors", {"config": json.dumps(vars(model.Config()))})
    start = [*given, "--from", str(tmp_path / "few.safetensors"), "--out", str(tmp_path / "out")]
    assert train.main(start) == 2
    assert "the tokenizer has 319 tokens, the model only 300" in capsys.readouterr().err
    assert train.main([*start, "--grow"]) == 0
    assert "19 rows more, each the mean of 300" in capsys.readouterr().out
