"""`--set layers=4`: a field by its last name, as `variants` takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.errors import SpecError
from codegen.spec import load_spec
from tests.projects import ROOT


@pytest.mark.parametrize(
    ("spec", "short", "full"),
    [
        ("gpt_char", "layers=3", "model.layers=3"),
        ("gpt_char", "heads=2", "model.attention.heads=2"),
        ("gpt_char", "steps=4000", "train.steps=4000"),
        ("gpt_char", "warmup=7", "train.schedule.warmup=7"),
        ("gru_char", "units=24", "model.units=24"),
        ("cnn_fashion", "classes=7", "model.classes=7"),
        ("sentiment", "task=masked-lm", "task=masked-lm"),
    ],
)
def test_a_short_name_is_the_field_that_it_names(spec: str, short: str, full: str) -> None:
    path = ROOT / f"specs/{spec}.yaml"
    made = []
    for said in (short, full):
        try:
            made.append(load_spec(path, ROOT, [said]).spec)
        except SpecError as error:  # what may not be said may not be said in short
            made.append(error.diagnostics[0].message.replace("model.", ""))
    assert made[0] == made[1]


def test_a_short_name_of_several_fields_is_refused_with_all_of_them() -> None:
    with pytest.raises(SpecError, match=r"`kind` may be model\.norm\.kind, .* or train\.schedule"):
        load_spec(ROOT / "specs/gpt_char.yaml", ROOT, ["kind=rms"])


def test_a_short_name_counts_in_what_is_set_beside_it(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("name: net\nmodel: {vocab_size: 64, context_length: 16}\n")
    spec = load_spec(tmp_path / "net.yaml", tmp_path, ["model.d_model=32", "heads=2", "d_ff=48"])
    assert "d_ff=48" in repr(spec.spec) and "heads=2" in repr(spec.spec)
