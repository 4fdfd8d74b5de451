"""Names of classes, and what their scores say, go back to transformers as they came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from codegen.commands.read_model import read_model
from codegen.importers.tensors import open_tensors, weight_files
from tests.export.packages import package_of, write_run
from tests.importers.test_classifiers import reference

IDENTITY = "torch.nn.modules.linear.Identity"
LABELS = ["bad", "so-so", "good"]
CASES: list[tuple[str, dict[str, Any], bool]] = [
    ("SequenceClassification", {}, False),
    ("SequenceClassification", {"problem_type": "multi_label_classification"}, False),
    ("SequenceClassification", {"problem_type": "regression"}, False),
    ("SequenceClassification", {}, True),
    ("SequenceClassification", {"sentence_transformers": {"activation_fn": IDENTITY}}, False),
    ("TokenClassification", {}, False),
]


@pytest.mark.parametrize(("head", "fields", "pairs"), CASES)
@torch.no_grad()
def test_classes_are_exported_with_their_names(
    head: str, fields: dict[str, Any], pairs: bool, tmp_path: Path
) -> None:
    model = reference(f"BertFor{head}", LABELS, **fields)
    model.save_pretrained(tmp_path / "there")
    plan: Any = read_model(tmp_path / "there", pairs=pairs).plan
    assert plan.task.labels == tuple(LABELS)
    parts = ("model", "weights", "checkpoint", "export")
    with package_of(plan, tmp_path, parts, None) as package:
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(tmp_path / "there")))
        write_run(ours, package.checkpoint, tmp_path / "run")
        said = ["--checkpoint", str(tmp_path / "run"), "--to", str(tmp_path / "to")]
        assert package.export.main(said) == 0
    back = getattr(transformers, plan.auto_class).from_pretrained(tmp_path / "to").eval()
    assert back.config.id2label == dict(enumerate(LABELS))
    tokens = torch.randint(4, 40, (3, 11))
    torch.testing.assert_close(back(tokens).logits, model(tokens).logits)
    if head == "SequenceClassification":
        usual = "single_label_classification"
        assert back.config.problem_type == fields.get("problem_type", usual)
        of_pairs = pairs or "sentence_transformers" in fields
        asked = getattr(back.config, "sentence_transformers", None)
        assert asked == ({"activation_fn": IDENTITY} if of_pairs else None)
