"""Pictures of which a network can make nothing are named and left out, and all of them refused."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.packages import import_package
from tests.parity.test_oracle_translation import ALIKE
from tests.parity.test_oracle_translation import MODEL as PAIRS

pictures = pytest.importorskip("PIL.Image")
CASES: dict[str, dict[str, Any]] = {
    "paired": {"model": {**PAIRS, "conv": {**PAIRS["conv"], "norm": "instance"}}},
    "unpaired": {"model": ALIKE, "train": {"loss": {"kind": "bce", "cycle": 10}}},
}


@pytest.mark.parametrize("case", CASES)
def test_small_pictures_are_named_and_left_out(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = {"name": case, "family": "gan", "task": "image-translation", **CASES[case]}
    names = ("model", "translate", "checkpoint")
    model_py, translate, checkpoint = import_package(tmp_path, spec, *names)
    model = model_py.Model(model_py.Config())
    model.init_weights()
    tensors = {f"model.{name}": one for name, one in checkpoint.weights(model).items()}
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.write_checkpoint(path, tensors, {"config": asdict(model.config)})
    folder = tmp_path / "pictures"
    folder.mkdir()
    mode = {1: "L", 3: "RGB"}[model.config.channels]
    pictures.new(mode, (1, 1)).save(folder / "small.png")
    (folder / "broken.png").write_bytes(b"no picture")
    given = [str(folder), "--checkpoint", str(path), "--to", str(tmp_path / "made")]
    assert translate.main(given) == 2
    said = capsys.readouterr().err
    assert f"{folder / 'small.png'}: images of" in said and "broken.png can't be read" in said
    assert said.count("it is skipped") == 2 and "nothing is left of what was given" in said
    pictures.new(mode, (64, 64)).save(folder / "large.png")
    assert translate.main(given) == 0
    assert [one.name for one in (tmp_path / "made").iterdir()] == ["large.png"]
    assert capsys.readouterr().err.count("it is skipped") == 2
