"""Imported encoder-decoders search as transformers does, a batch at once, and read as it does."""

from __future__ import annotations

import importlib
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from codegen.commands.import_ import import_folder
from codegen.project import Project
from tests.importers.test_sampling import VOCABULARY, module_of, project, seq2seq, tokenizer

__all__ = ["project"]  # a fixture

SOURCES = [[5, 9, 30, 41, 7, 64], [12, 64], [50, 49, 48, 47, 3, 22, 21, 20, 64]]  # a ends them
BEGIN, END, PAD = 66, 10, 1


@pytest.fixture(params=["T5Config", "BartConfig"])
def imported(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Any:
    """Three modules of an imported package, where its weights lie, and their model."""
    theirs = seq2seq(
        request.param, decoder_start_token_id=BEGIN, eos_token_id=END, pad_token_id=PAD
    )
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.mul_(0.4 if weight.ndim > 1 else 1.0)  # so that several tokens may be next
    theirs.save_pretrained(tmp_path / "there")
    (tmp_path / "there/tokenizer.json").write_text(json.dumps(tokenizer(eos=True)))
    made = import_folder(tmp_path / "there", project, test=False)
    sample = module_of(made.outcome.folder, "sample")
    package = sample.__name__.removesuffix(".sample")
    others = (importlib.import_module(f"{package}.{name}") for name in ("generate", "evaluate"))
    return sample, *others, made.weights, theirs


def found_there(theirs: Any, sources: list[list[int]], asked: dict[str, Any]) -> Any:
    """What transformers makes of a batch."""
    longest = max(map(len, sources))
    rows = [row + [PAD] * (longest - len(row)) for row in sources]
    masks = [[1] * len(row) + [0] * (longest - len(row)) for row in sources]
    always = {"decoder_start_token_id": BEGIN, "pad_token_id": PAD, "eos_token_id": END}
    theirs.generation_config = transformers.GenerationConfig(**{**always, **asked})
    return theirs.generate(
        torch.tensor(rows),
        attention_mask=torch.tensor(masks),
        return_dict_in_generate=True,
        output_scores=True,
    )


def assert_same(tokens: list[int], there: list[int], ends: list[int]) -> None:
    """Theirs begin with the begin, and are padded behind their end."""
    row, length = there[1:], len(tokens)
    assert tokens == row[:length]
    assert set(row[length : length + 1]) <= {*ends, PAD}


# Random weights repeat themselves, and seldom come to one end.
ENDING = {"eos_token_id": [*range(0, 67, 5)], "repetition_penalty": 1.5}
SEARCHES: dict[str, dict[str, Any]] = {
    "plain": {"num_beams": 4, "repetition_penalty": 1.5},
    "several": {"num_beams": 5, "num_return_sequences": 4, "length_penalty": 0.6, **ENDING},
    "short": {"num_beams": 3, "num_return_sequences": 2, "length_penalty": -1.0, **ENDING},
    "long": {"num_beams": 3, "num_return_sequences": 3, "length_penalty": 2.0, **ENDING},
    "barred": {
        "num_beams": 4,
        "num_return_sequences": 3,
        "suppress_tokens": [*range(20, 60)],
        "repetition_penalty": 1.7,
        "forced_bos_token_id": 12,
        "forced_eos_token_id": END,
    },
}


def test_a_beam_search_of_a_batch_is_that_of_transformers(imported: Any) -> None:
    sample, generate, _, weights, theirs = imported
    model, made = sample.load(weights, "cpu"), set()
    for (name, asked), early in itertools.product(SEARCHES.items(), (False, True, "never")):
        ends = asked.get("eos_token_id", [END])
        right = found_there(
            theirs, SOURCES, {**asked, "early_stopping": early, "max_new_tokens": 12}
        )
        ours = generate.search(
            model,
            SOURCES,
            BEGIN,
            12,
            beams=asked["num_beams"],
            best=asked.get("num_return_sequences", 1),
            length_penalty=asked.get("length_penalty", 1.0),
            early_stopping=early,
            ends=ends,
            barred=asked.get("suppress_tokens", ()),
            forced_first=asked.get("forced_bos_token_id"),
            forced_last=asked.get("forced_eos_token_id"),
            repetition_penalty=asked.get("repetition_penalty", 1.0),
        )
        answers = [answer for found in ours for answer in found]
        for answer, there in zip(answers, right.sequences.tolist(), strict=True):
            assert_same(answer.tokens, there, ends)
        scores = right.sequences_scores.tolist()
        assert [score for score, _ in answers] == pytest.approx(scores, rel=1e-4)
        made.add((name, str(answers)))
    assert len(made) > len(SEARCHES)  # to stop early or not is not the same


def test_beams_that_a_file_asks_for_are_those_of_transformers(
    imported: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sample, _, _, weights, theirs = imported
    spelled = {number: text for text, number in VOCABULARY.items()}
    texts = ["".join(spelled[token] for token in row[:-1]) for row in SOURCES]
    given = [word for text in texts for word in ("--source", text)]
    for name, asked in SEARCHES.items():
        said = {"decoder_start_token_id": BEGIN, "eos_token_id": END, **asked}
        said = {**said, "max_new_tokens": 9, "early_stopping": name == "long"}
        (weights / "generation_config.json").write_text(json.dumps(said))
        capsys.readouterr()
        assert sample.main(["--checkpoint", str(weights), *given]) == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        lines = [line for line in printed.out.split("\n") if line and set(line) != {"-"}]
        best, ends = asked.get("num_return_sequences", 1), asked.get("eos_token_id", [END])
        ours = [line.split()[best > 1 :] for line in lines]
        right = found_there(theirs, SOURCES, said).sequences.tolist()
        for tokens, there in zip(ours, right, strict=True):
            assert_same([VOCABULARY[token] for token in tokens], there, ends)


def test_beams_of_drawn_tokens_are_named_and_senseless_ones_refused(
    imported: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sample, _, _, weights, _ = imported
    path, given = weights / "generation_config.json", ["--checkpoint", str(weights)]
    said = {"num_beams": 4, "do_sample": True, "max_new_tokens": 3, "length_penalty": 2.0}
    path.write_text(json.dumps({"decoder_start_token_id": BEGIN, **said}))
    assert sample.main([*given, "--source", "ABC"]) == 0
    assert capsys.readouterr().err.endswith("sampling does without 'num_beams': 4\n")
    for wrong in ({"num_beams": 0}, {"early_stopping": "late"}, {"length_penalty": "long"}):
        path.write_text(json.dumps({"decoder_start_token_id": BEGIN, **wrong}))
        assert sample.main([*given, "--source", "ABC"]) == 2
        assert next(iter(wrong)) in capsys.readouterr().err


@torch.no_grad()
def test_what_a_target_reads_of_its_source_is_what_transformers_says(imported: Any) -> None:
    _, _, evaluate, weights, theirs = imported
    model, target = evaluate.load(weights, "cpu"), [BEGIN, 17, 3, 60, 44]
    for source in SOURCES:
        ours = evaluate.alignment(model, torch.tensor(source), torch.tensor(target))
        right = theirs(
            torch.tensor([source]),
            decoder_input_ids=torch.tensor([target]),
            output_attentions=True,
        )
        *_, wanted, _ = right.cross_attentions
        torch.testing.assert_close(ours, wanted[0].mean(0), rtol=1e-5, atol=1e-6)
