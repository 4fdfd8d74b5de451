"""Pictures are read as transformers' image processors read them, whatever the file says of them."""

from __future__ import annotations

import contextlib
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
import yaml
from PIL import Image

from codegen.commands.import_ import import_folder
from codegen.errors import CheckpointError
from codegen.importers.image_processor import FILE, read_processor
from codegen.project import find_project
from tests.packages import import_package

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("ConvNext", {"size": {"shortest_edge": 64}, **IMAGENET}),
    ("ConvNext", {"size": {"shortest_edge": 60}, "crop_pct": 0.9375, "resample": 2}),
    ("ConvNext", {"size": {"shortest_edge": 384}}),  # at which pictures are stretched
    ("MobileNetV1", {"size": {"shortest_edge": 80}, "crop_size": {"height": 64, "width": 64}}),
    ("MobileNetV2", {"size": {"shortest_edge": 64}, "do_center_crop": False}),
    ("EfficientNet", {"size": {"height": 64, "width": 64}, **IMAGENET}),
    ("EfficientNet", {"size": {"height": 70, "width": 70}, "rescale_factor": 1 / 127.5,
                      "rescale_offset": True, "include_top": False, "do_normalize": False}),
    ("EfficientNet", {"size": {"height": 64, "width": 64}, "do_normalize": False, **IMAGENET}),
    ("ViT", {"size": {"height": 64, "width": 64}}),
    ("ViT", {"size": {"height": 64, "width": 64}, "do_normalize": False}),
    ("DeiT", {"size": {"height": 72, "width": 72}, "crop_size": {"height": 64, "width": 64}}),
    ("Beit", {"size": {"height": 64, "width": 64}, "do_center_crop": True, "crop_size": 48}),
    ("Bit", {"size": {"shortest_edge": 70}, "crop_size": {"height": 64, "width": 64}}),
    ("CLIP", {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}),
    ("Siglip", {"size": {"height": 64, "width": 64}, "resample": 2}),
]  # fmt: skip


def processor(kind: str, fields: dict[str, Any]) -> Any:
    """A processor of transformers' that needs Pillow and numpy alone."""
    name = {"MobileNetV1": "mobilenet_v1", "MobileNetV2": "mobilenet_v2"}.get(kind, kind.lower())
    module = importlib.import_module(f"transformers.models.{name}.image_processing_pil_{name}")
    return getattr(module, f"{kind}ImageProcessorPil")(**fields)


def picture(width: int, height: int, file: Path) -> Image.Image:
    """Coarse noise, as smooth as photographs are."""
    noise = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    made = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    made.save(file)
    return made


@pytest.mark.drawn
@pytest.mark.parametrize("case", range(len(CASES)))
def test_pixels_are_those_that_transformers_gives_the_model(case: int, tmp_path: Path) -> None:
    kind, fields = CASES[case]
    theirs = processor(kind, fields)
    theirs.save_pretrained(tmp_path)
    reading = read_processor(tmp_path, "resnet")
    assert reading and reading.data
    stretched = any("stretched" in remark for remark in reading.remarks)
    made = picture(152 if stretched else 228, 152, tmp_path / "some.png")
    wanted = theirs(made, return_tensors="pt")["pixel_values"][0]
    wanted = wanted[:, :, (wanted.shape[2] - reading.side) // 2 :][:, :, : reading.side]
    image = {"size": reading.side, "channels": 3}
    spec = {
        "name": "some",
        "family": "network",
        "task": "image-classification",
        "data": reading.data,
        "model": {"image": image, "classes": 2, "layers": ["mean_pool", "linear"]},
    }
    (pictures,) = import_package(tmp_path, spec, "pictures")
    pixels = pictures.pixels_of(tmp_path / "some.png", reading.side)[0]
    mean, deviation = (torch.tensor(reading.data[name]) for name in ("mean", "deviation"))
    ours = (pixels / 255 - mean[:, None, None]) / deviation[:, None, None]
    assert ours.shape == wanted.shape
    far = (ours - wanted).abs() * deviation[:, None, None] * 255  # in steps of a byte
    assert float(far.max()) < 2


def test_what_a_file_leaves_out_is_what_its_class_does(tmp_path: Path) -> None:
    for kind, _ in CASES:
        (tmp_path / FILE).write_text(
            json.dumps({"feature_extractor_type": f"{kind}FeatureExtractor"})
        )
        short = read_processor(tmp_path, "resnet")
        processor(kind, {}).save_pretrained(tmp_path)
        assert read_processor(tmp_path, "resnet") == short, kind


@pytest.mark.parametrize(
    ("fields", "remark"),
    [
        ({"image_processor_type": "FlavaImageProcessor"}, "by Flava, which is not known"),
        ({"do_flip_channel_order": True}, "`do_flip_channel_order` is not followed"),
        ({"resample": 0}, "`resample` 0 is read as bicubic"),
        ({"do_resize": False}, "pictures are not resized"),
        ({"size": 224, "do_rescale": False, "image_mean": [120, 120, 120]}, ""),
        ({"do_rescale": False, "image_mean": [300, 300, 300]}, "not of pixels from 0 to 1"),
    ],
)
def test_what_the_spec_cannot_say_is_said(
    fields: dict[str, Any], remark: str, tmp_path: Path
) -> None:
    (tmp_path / FILE).write_text(json.dumps(fields))
    reading = read_processor(tmp_path, "resnet")
    assert reading and remark in " ".join(reading.remarks)
    assert bool(remark) == bool(reading.remarks)


def test_an_imported_classifier_names_what_is_on_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {0: "cat", 1: "dog", 2: "red\x1b[31m fox"}
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], id2label=named
    )
    folder = tmp_path / "there"
    model = transformers.ResNetForImageClassification(config).eval()
    model.save_pretrained(folder)
    theirs = processor("ConvNext", {"size": {"shortest_edge": 64}, **IMAGENET})
    theirs.save_pretrained(folder)
    made = picture(228, 152, tmp_path / "some.png")
    project = tmp_path / "project"
    for name in ("specs", "generated"):
        (project / name).mkdir(parents=True)
    done = import_folder(folder, find_project(project), name="seen", test=False)
    assert done.weights and "size: 64" in done.spec.read_text()
    with torch.no_grad():
        scores = model(**theirs(made, return_tensors="pt")).logits[0].softmax(0)
    (predict,) = import_package(tmp_path / "run", yaml.safe_load(done.spec.read_text()), "predict")
    asked = ["--checkpoint", str(done.weights), "--format", "json", "--device", "cpu"]
    assert predict.main([*asked, str(tmp_path / "some.png")]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    parts = {one["name"]: one["probability"] for one in found["classes"]}
    names = ("cat", "dog", r"red\x1b[31m fox")
    assert parts == pytest.approx(dict(zip(names, scores.tolist(), strict=True)), abs=1e-4)


@pytest.mark.parametrize("odd", [None, True, -1, 0.5, 1e999, "x", [], [1], {}, {"height": "x"}])
def test_no_field_of_another_kind_is_an_exception(odd: Any, tmp_path: Path) -> None:
    for kind, _ in CASES:
        theirs = processor(kind, {}).to_dict()
        for name in (*theirs, "do_center_crop", "rescale_offset"):
            (tmp_path / FILE).write_text(json.dumps({**theirs, name: odd}))
            with contextlib.suppress(CheckpointError):
                read_processor(tmp_path, "resnet")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": {"width": 3, "height": 4}}, "`size` = {'width': 3, 'height': 4} makes no sense"),
        ({"size": 224, "crop_pct": 2}, "`crop_pct` = 2 makes no sense"),
        ({"image_std": [0, 1, 1]}, "`image_std` = [0, 1, 1] makes no sense"),
        ({"image_mean": "none"}, "`image_mean` = 'none' makes no sense"),
        ([], "not a mapping of fields"),
    ],
)
def test_fields_that_make_no_sense_are_named(fields: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps(fields))
    with pytest.raises(CheckpointError) as caught:
        read_processor(tmp_path, "resnet")
    assert message in str(caught.value)
