"""A checkpoint with adapters for several languages: those of one are read, the others skipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import XmodConfig, XmodForMaskedLM

from benchmarks.coverage_compare import relative
from codegen.commands.import_ import import_folder
from codegen.commands.read_model import loaded, read_model
from codegen.errors import CheckpointError
from codegen.importers.tensors import open_tensors, weight_files
from codegen.project import Project

LANGUAGES = ["de_DE", "en_XX", "fr_FR"]
PART = ".adapter_modules.{}."


@pytest.fixture
def reference(tmp_path: Path) -> Any:
    """A tiny X-MOD of three languages, saved in `tmp_path`/there."""
    config = XmodConfig(
        vocab_size=67,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=80,
        max_position_embeddings=40,
        languages=LANGUAGES,
        default_language="en_XX",
    )
    torch.manual_seed(0)
    model = XmodForMaskedLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(mean=float(parameter.ndim == 1), std=0.2)
    model.save_pretrained(tmp_path / "there")
    return model


def logits_of(reference: Any, tokens: Tensor, language: str) -> Tensor:
    reference.set_default_language(language)
    with torch.no_grad():
        logits: Tensor = reference(input_ids=tokens).logits
    return logits


def change(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_adapters_are_those_of_the_default_language(
    language: str, reference: Any, tmp_path: Path
) -> None:
    folder, tokens = tmp_path / "there", torch.randint(3, 67, (2, 9))
    change(folder, default_language=language)
    with loaded(read_model(folder)) as package, torch.no_grad():
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(folder)))
        found = ours(tokens)
        saved = package.weights.save_huggingface(ours)
    assert relative(found, logits_of(reference, tokens, language)) <= 1e-5
    others = [one for one in LANGUAGES if one != language]
    assert relative(found, logits_of(reference, tokens, others[0])) > 1e-2
    there = {name: any(PART.format(one) in name for one in others) for name in saved}
    assert not any(there.values())
    assert sum(PART.format(language) in name for name in saved) == 2 * 4


def test_adapters_of_other_languages_are_named_as_skipped(reference: Any, tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    project = Project(root, root / "specs", root / "generated")
    made = import_folder(tmp_path / "there", project, name="mine", test=False)
    skipped = made.record["skipped"]
    assert len(skipped) == 2 * 2 * 4  # of two languages and two layers
    assert {name.split(".")[-3] for name in skipped} == {"de_DE", "fr_FR"}
    assert "language: en_XX" in (root / "specs/mine.yaml").read_text()


@pytest.mark.parametrize("language", [None, "nl_NL"])
def test_without_a_language_it_is_refused_once(
    language: str | None, reference: Any, tmp_path: Path
) -> None:
    change(tmp_path / "there", default_language=language)
    with pytest.raises(CheckpointError) as caught:
        read_model(tmp_path / "there")
    (one,) = caught.value.diagnostics
    assert "`default_language` has to say which of its `languages` is meant" in one.message


def test_a_type_without_languages_has_no_language(tmp_path: Path) -> None:
    from codegen.errors import SpecError
    from codegen.plan import lower
    from codegen.spec import load_text

    text = "name: my_model\ncheckpoint: {huggingface: llama, language: en_XX}\n"
    with pytest.raises(SpecError, match="llama has nothing by language"):
        lower(load_text(text, "specs/my_model.yaml"))
