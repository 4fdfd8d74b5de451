"""An imported folder is sampled as transformers' own `generate` does from the same folder."""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import transformers
import yaml
from transformers import CONFIG_MAPPING, GenerationConfig

from codegen.commands.import_ import import_folder
from codegen.importers.companions import generation_of
from codegen.project import Project, find_project
from tests.importers.checkpoints import tiny

HUGGINGFACE = Path(__file__).parents[2] / "codegen/importers/huggingface"
VOCABULARY = {chr(33 + index): index for index in range(66)} | {"<s>": 66}
TEXT = "ABCDE"
_numbers = itertools.count()


def tokenizer(bos: bool = False, eos: bool = False) -> dict[str, Any]:
    """A tokenizer.json of characters, that adds `<s>` before a text or `a` behind it."""
    first = [{"SpecialToken": {"id": "<s>", "type_id": 0}}] if bos else []
    last = [{"SpecialToken": {"id": "a", "type_id": 0}}] if eos else []
    template = {
        "type": "TemplateProcessing",
        "single": [*first, {"Sequence": {"id": "A", "type_id": 0}}, *last],
        "pair": [],
        "special_tokens": {
            name: {"id": name, "ids": [VOCABULARY[name]], "tokens": [name]} for name in ("<s>", "a")
        },
    }
    special = {"content": "<s>", "id": 66, "special": True, "normalized": False}
    flags = {"single_word": False, "lstrip": False, "rstrip": False}
    pieces = {"type": "Split", "pattern": {"Regex": "."}, "behavior": "Isolated", "invert": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{**special, **flags}],
        "pre_tokenizer": pieces,
        "post_processor": template if bos or eos else None,
        "model": {"type": "WordLevel", "vocab": VOCABULARY, "unk_token": "!"},
    }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "project/specs").mkdir(parents=True)
    (tmp_path / "project/pyproject.toml").write_text("[tool.tgen]\n")
    monkeypatch.chdir(tmp_path / "project")
    return find_project(tmp_path / "project")


@pytest.fixture
def said(
    tmp_path: Path, project: Project, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, str]]:
    """What both make of the text, from one folder: ours with these options, as printed."""

    def both(model: Any, *options: str, **files: Any) -> tuple[str, str]:
        folder = tmp_path / "checkpoint"
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        for name, content in files.items():
            (folder / f"{name}.json").write_text(json.dumps(content))
        made = import_folder(folder, project, test=False)
        sample = module_of(made.outcome.folder, "sample")
        capsys.readouterr()
        prompt = "--source" if model.config.is_encoder_decoder else "--prompt"
        assert sample.main(["--checkpoint", str(made.weights), prompt, TEXT, *options]) == 0
        printed = capsys.readouterr()
        said.append(printed.err)
        return printed.out, theirs(folder, *options)

    said: list[str] = []
    both.stderr = said  # type: ignore[attr-defined]
    return both


def module_of(folder: Path | None, name: str) -> ModuleType:
    assert folder is not None
    package = f"sampled_{next(_numbers)}"
    holder = sys.modules[package] = ModuleType(package)
    holder.__path__ = [str(folder)]
    importlib.invalidate_caches()
    return importlib.import_module(f"{package}.{name}")


def theirs(folder: Path, *options: str) -> str:
    """What transformers makes of the text and prints."""
    file = str(folder / "tokenizer.json")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=file)
    config = transformers.AutoConfig.from_pretrained(folder)
    auto = transformers.AutoModelForCausalLM
    if config.is_encoder_decoder:
        auto = transformers.AutoModelForSeq2SeqLM
    model = auto.from_pretrained(folder).eval()
    tokens = {"max_new_tokens": int(options[-1])} if "--tokens" in options else {}
    ids = tokenizer(TEXT, return_tensors="pt")["input_ids"]
    made = model.generate(ids, **tokens)
    return str(tokenizer.decode(made[0], skip_special_tokens=True)) + "\n"


FREE = {"eos_token_id": None, "bos_token_id": None}


def greedy(model: Any, tokens: int = 30, bos: bool = False) -> list[int]:
    """The model's own likeliest continuation, to choose ends from."""
    ids = [66] * bos + [VOCABULARY[character] for character in TEXT]
    for _ in range(tokens):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids


@pytest.mark.drawn
@pytest.mark.parametrize("bos", [False, True], ids=["no bos", "bos"])
@pytest.mark.parametrize("ends", [0, 1, 2])
def test_a_text_begins_and_ends_as_with_transformers(
    said: Callable[..., tuple[str, str]], bos: bool, ends: int
) -> None:
    model = tiny("LlamaConfig", **FREE)
    made = greedy(model, bos=bos)[len(TEXT) + bos :]
    chosen = [next(token for token in made[9 - 3 * at :]) for at in range(ends)]
    asked: dict[str, Any] = {} if not ends else {"eos_token_id": chosen[0] if ends == 1 else chosen}
    ours, right = said(
        model, "--tokens", "30", tokenizer=tokenizer(bos=bos), generation_config=asked
    )
    assert ours == right
    assert not ends or len(ours.split()) < len(TEXT) + 12
    without, _ = said(model, "--tokens", "30", tokenizer=tokenizer(), generation_config={})
    assert (ours == without) == (not bos and not ends)


def test_an_older_folder_says_in_its_config_how_texts_end(
    said: Callable[..., tuple[str, str]],
) -> None:
    model = tiny("LlamaConfig", **FREE)
    model.config.eos_token_id = greedy(model)[len(TEXT) + 6]
    ours, right = said(model, "--tokens", "30", tokenizer=tokenizer())
    assert ours == right and len(ours.split()) < len(TEXT) + 12


ASKED: dict[str, dict[str, Any]] = {
    "penalty": {"repetition_penalty": 1.7},
    "no drawing": {"temperature": 0.3, "top_p": 0.2, "top_k": 2},
    "one likely": {"do_sample": True, "top_k": 1},
    "barred": {"bad_words_ids": [[t] for t in range(0, 60, 2)], "suppress_tokens": [1, 3, 5, 7]},
    "length": {"max_new_tokens": 7},
    "whole length": {"max_length": 11},
}


@pytest.mark.drawn
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_what_generation_config_asks_for_is_done(
    said: Callable[..., tuple[str, str]], asked: dict[str, Any]
) -> None:
    sized = any(name.startswith("max") for name in asked)
    options = [] if sized else ["--tokens", "30"]
    model = tiny("LlamaConfig", **FREE)
    ours, right = said(model, *options, tokenizer=tokenizer(), generation_config=asked)
    assert ours == right
    assert said.stderr[-1] == ""  # type: ignore[attr-defined]


def test_what_sampling_has_no_means_for_is_named(said: Callable[..., tuple[str, str]]) -> None:
    asked = {"num_beams": 4, "length_penalty": 2.0, "no_repeat_ngram_size": 3, "min_length": 0}
    asked |= {"bad_words_ids": [[1, 2]], "use_cache": True, "renormalize_logits": True}
    asked["max_new_tokens"] = 2
    asked["\x1b[31m"] = 1
    said(tiny("LlamaConfig", **FREE), tokenizer=tokenizer(), generation_config=asked)
    (line,) = said.stderr[-1].splitlines()  # type: ignore[attr-defined]
    assert line.startswith("warning: ") and line.endswith(
        "sampling does without 'num_beams': 4, 'length_penalty': 2.0, 'no_repeat_ngram_size': 3, "
        "'bad_words_ids': [[1, 2]], 'renormalize_logits': True, '\\x1b[31m': 1"
    )


def seq2seq(config_class: str, **options: Any) -> Any:
    sizes = {"vocab_size": 67, "d_model": 48}
    if config_class == "T5Config":
        sizes |= {"num_layers": 2, "num_heads": 4, "d_ff": 80, "d_kv": 12}
    else:
        sizes |= {"encoder_layers": 2, "decoder_layers": 2, "max_position_embeddings": 64}
        sizes |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
        sizes |= {"encoder_ffn_dim": 80, "decoder_ffn_dim": 80}
    config = getattr(transformers, config_class)(**{**sizes, **options})
    config._attn_implementation = "eager"
    torch.manual_seed(1)
    model = transformers.AutoModelForSeq2SeqLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            centre = 1.0 if parameter.ndim == 1 and bool((parameter == 1).all()) else 0.0
            parameter.normal_(mean=centre, std=0.3)
    return model


@pytest.mark.drawn
@pytest.mark.parametrize("asked", [{}, {"eos_token_id": [3, 5, 7, 9, 11, 13]}, {"max_length": 9}])
@pytest.mark.parametrize("config_class", ["T5Config", "BartConfig"])
def test_targets_begin_and_end_as_with_transformers(
    said: Callable[..., tuple[str, str]], config_class: str, asked: dict[str, Any]
) -> None:
    options = [] if "max_length" in asked else ["--tokens", "25"]
    model = seq2seq(config_class, decoder_start_token_id=66, eos_token_id=10, pad_token_id=1)
    begins = {"decoder_start_token_id": 66, "pad_token_id": 1, "eos_token_id": 10}
    if config_class == "BartConfig":
        begins |= {"forced_bos_token_id": 20, "forced_eos_token_id": 10}
    ends = asked.get("eos_token_id", [10])
    ours, right = said(
        model, *options, tokenizer=tokenizer(eos=True), generation_config={**begins, **asked}
    )
    there = right.split()
    if there and VOCABULARY[there[-1]] in ends:  # shown over there, where it isn't special
        there.pop()
    assert ours.split() == there


def test_a_type_that_says_nothing_has_the_defaults_of_transformers() -> None:
    names = ("eos_token_id", "bos_token_id", "decoder_start_token_id")
    names += ("forced_bos_token_id", "forced_eos_token_id")
    for model_type in sorted({path.name.split(".")[0] for path in HUGGINGFACE.glob("*.yaml")}):
        right = GenerationConfig.from_model_config(CONFIG_MAPPING[model_type]())
        ours = generation_of({"model_type": model_type})
        for name in names:
            if getattr(right, "eos_token_id", None) is not None or name != "bos_token_id":
                assert ours.get(name) == getattr(right, name), (model_type, name)


SENSELESS = (
    *("{", "[]", "[" * 100_000, '{"temperature": "hot", "do_sample": true}', '{"max_length": -1}'),
    *('{"eos_token_id": "</s>"}', '{"eos_token_id": [1e9]}', '{"repetition_penalty": 0}'),
    *('{"do_sample": "yes"}', '{"max_length": 2}', '{"eos_token_id": 99999999999999999999}'),
)


def test_a_file_that_makes_no_sense_is_one_clear_line(
    tmp_path: Path, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "checkpoint"
    tiny("LlamaConfig").save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    made = import_folder(folder, project, test=False)
    assert made.weights
    sample = module_of(made.outcome.folder, "sample")
    for text in SENSELESS:
        (made.weights / "generation_config.json").write_text(text)
        capsys.readouterr()
        code = sample.main(["--checkpoint", str(made.weights), "--prompt", "ABCDE"])
        printed = capsys.readouterr().err
        assert (code, printed.count("\n")) == (2, 1), (text, printed)
        assert printed.startswith("error: ") and "generation_config.json" in printed


def test_the_table_of_defaults_is_of_types_that_are_imported() -> None:
    rows = yaml.safe_load((HUGGINGFACE.parent / "generation.yaml").read_text())
    types = [model_type for row in rows for model_type in row["of"]]
    assert len(types) == len(set(types))
    assert set(types) <= {path.name.split(".")[0] for path in HUGGINGFACE.glob("*.yaml")}


def test_each_text_of_a_batch_ends_at_its_own_end(
    tmp_path: Path, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny("LlamaConfig", **FREE)
    folder = tmp_path / "checkpoint"
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(bos=True)))
    ends = greedy(model, bos=True)[len(TEXT) + 5 : len(TEXT) + 8]
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    made = import_folder(folder, project, test=False)
    sample = module_of(made.outcome.folder, "sample")
    capsys.readouterr()
    given = ["--checkpoint", str(made.weights), "--tokens", "40"]
    texts = [TEXT, "A", "XYZABC", "BBBBBBBBBBBB"]
    alone = []
    for text in texts:
        assert sample.main([*given, "--prompt", text]) == 0
        alone.append(capsys.readouterr().out.removesuffix("\n"))
    assert len({len(text) for text in alone}) > 1
    assert sample.main([*given, *(word for text in texts for word in ("--prompt", text))]) == 0
    assert capsys.readouterr().out.removesuffix("\n").split(f"\n{'-' * 80}\n") == alone
