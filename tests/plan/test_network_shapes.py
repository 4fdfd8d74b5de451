"""Shapes of networks of layers: what fits, what is seen, what a toy is, what a person is told."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from codegen.errors import SpecError
from codegen.plan import Plan, lower
from codegen.plan.families import family_of
from codegen.plan.network import nearest
from codegen.spec import load_spec, load_text
from tests.packages import import_model

ROOT = Path(__file__).parent.parent.parent
POOLS = (torch.nn.AdaptiveAvgPool2d, torch.nn.AvgPool2d, torch.nn.MaxPool2d)


def spec(*layers: Any, **model: Any) -> str:
    model = {"image": 16, "classes": 5, **model, "layers": [*layers]}
    head = {"name": "some", "family": "network", "task": "image-classification"}
    return yaml.safe_dump({**head, "model": model}, sort_keys=False)


def planned(*layers: Any, **model: Any) -> Plan:
    return lower(load_text(spec(*layers, **model), "specs/some.yaml"))


def fields(plan: Plan) -> dict[str, Any]:
    return {field.name: field.value for field in plan.model.fields}


def test_one_number_has_seen_the_pixels_that_the_plan_says(tmp_path: Path) -> None:
    body = [
        {"conv": {"width": 4, "kernel": 5, "stride": 2}},
        {"residual": [{"conv": {"dilation": 2}}, {"conv": {"kernel": 1}}]},
        {"max_pool": {"kernel": 3, "stride": 2, "padding": 1}},
        {"conv": 3},
    ]
    plan = planned(*body, "mean_pool", "linear", image=96)
    module = import_model(plan, tmp_path)
    model = module.Model(module.Config())
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.uniform_(parameter, 0.5, 1.0)  # so that nothing cancels
    # Of each window a max pool sees one number; in so many images, all of them.
    images = torch.rand(32, 3, 96, 96, requires_grad=True)
    x = model.before(images)
    x = x + model.layers(x)
    for layer in model.after[:2]:
        x = layer(x)
    x[:, 0, 12, 12].sum().backward()
    assert images.grad is not None
    rows = images.grad.abs().sum((0, 1, 3)).nonzero()
    shown = [row for row in plan.model.rows if row.depth == 0]
    last = [row for row in shown if row.name == "conv"][-1]
    assert last.field == int(rows.max() - rows.min()) + 1


def test_resnets_see_as_much_as_is_known_of_them() -> None:
    rows = lower(load_spec(ROOT / "specs/resnet18.yaml", ROOT)).model.rows
    assert [row.field for row in rows if row.name == "basic"][-1] == 435  # distill.pub 2019
    rows = lower(load_spec(ROOT / "tests/zoo/vgg16_bn.yaml", ROOT)).model.rows
    assert [row.field for row in rows if row.name == "stage"][-1] == 212


def test_the_table_of_layers_fits_in_80_columns() -> None:
    for name in ("resnet50", "mobilenet_v2", "convnext_tiny"):
        plan = lower(load_spec(ROOT / f"specs/{name}.yaml", ROOT))
        table = family_of(plan).shown(plan)[0]
        cells = zip(table.columns, *table.rows, strict=True)
        widths = [max(map(len, column)) for column in cells]
        assert sum(widths) + 3 * len(widths) + 1 <= 80


def test_layers_add_up_to_the_whole() -> None:
    plan = lower(load_spec(ROOT / "specs/resnet50.yaml", ROOT))
    rows = [row for row in plan.model.rows if row.depth == 0]
    assert sum(row.parameters for row in rows) == plan.cost.parameters == 25_557_032
    table = sum(math.prod(row.shape) for row in plan.model.parameters)
    assert table == plan.cost.parameters
    assert plan.cost.flops_forward == sum(row.flops for row in rows)
    assert abs(plan.cost.flops_forward / 2 / 4.089e9 - 1) < 0.01  # torchvision's own count


def test_stages_are_tuples_of_the_config() -> None:
    found = fields(lower(load_spec(ROOT / "specs/resnet18.yaml", ROOT)))
    assert found["widths"] == (64, 128, 256, 512) and found["stem_width"] == 64
    assert found["blocks"] == (2, 2, 2, 2) and found["strides"] == (1, 2, 2, 2)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "convnext_tiny"])
def test_a_toy_is_the_same_code_at_a_size_that_fits(name: str, tmp_path: Path) -> None:
    plan = lower(load_spec(ROOT / f"specs/{name}.yaml", ROOT))
    module = import_model(plan, tmp_path)
    config = module.Config.tiny()
    model = module.Model(config)
    model.init_weights()
    images = torch.randn(2, 3, config.image_size, config.image_size)
    assert model.eval()(images).shape == (2, config.classes)
    assert sum(parameter.numel() for parameter in model.parameters()) < 400_000


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "poolformer_s12", "resnet18"])
def test_pools_of_a_toy_see_several_pixels(name: str, tmp_path: Path) -> None:
    module = import_model(lower(load_spec(ROOT / f"tests/zoo/{name}.yaml", ROOT)), tmp_path)
    config, seen = module.Config.tiny(), []
    model = module.Model(config).eval()
    for pool in filter(lambda one: isinstance(one, POOLS), model.modules()):
        pool.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[2:].numel()))
    model(torch.randn(1, 3, config.image_size, config.image_size))
    assert seen and min(seen) > 1


@pytest.mark.parametrize("name", ["squeezenet1_1", "seresnet50"])
def test_no_layer_of_a_toy_is_left_with_an_output_or_two(name: str, tmp_path: Path) -> None:
    module = import_model(lower(load_spec(ROOT / f"tests/zoo/{name}.yaml", ROOT)), tmp_path)
    model = module.Model(module.Config.tiny())
    assert min(len(p) for p in model.parameters() if p.ndim > 1) >= 4


def refused(*layers: Any, **model: Any) -> str:
    with pytest.raises(SpecError) as caught:
        planned(*layers, **model)
    return str(caught.value)


def test_ways_that_do_not_fit_are_named_with_their_shapes() -> None:
    ways = [[{"conv": {"width": 4, "stride": 2}}], "here"]
    message = refused({"conv": 4}, {"concat": ways}, "mean_pool", "linear")
    assert "way 1 gives 4 x 8 x 8, here 4 x 16 x 16" in message
    assert "the same strides and padding" in message
    message = refused({"conv": 4}, {"add": [[{"conv": 6}], "here"]}, "mean_pool", "linear")
    assert "way 1 gives 6 x 16 x 16, here 4 x 16 x 16" in message and "`width` of 6" in message


def test_sizes_are_not_tried_where_they_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Any] = []
    walk = nearest.walked
    monkeypatch.setattr(nearest, "walked", lambda *given: tried.append(given) or walk(*given))
    assert "no whole number" in refused({"conv": 3}, {"conv": {"width": "channels / 2"}})
    assert len(tried) == 2
    patches = {"patches": {"size": 3, "layers": [{"norm": "layer"}]}}
    assert "has 15 pixels" in refused({"conv": 4}, patches, "mean_pool", "linear")
    assert len(tried) > 2
    before = len(tried)
    levels = {"widths": [4, 8, 16], "block": [{"conv": "width"}], "down": [{"max_pool": 2}]}
    layers: list[Any] = [{"conv": "width"}] * 300  # a damaged `up`, which enlarges nothing
    message = refused({"unet": {**levels, "up": layers}}, "mean_pool", "linear")
    assert "levels that don't fit" in message and len(tried) == before


def test_a_layer_that_nothing_reads_is_named() -> None:
    kept = [{"conv": {"width": 4, "as": "a"}}, {"conv": {"width": 4, "as": "b"}}]
    assert planned(*kept, {"from": "a"}, {"add": ["here", "b"]}, "mean_pool", "linear")
    message = refused(*kept, {"from": "a"}, "mean_pool", "linear")
    assert "nothing reads `b`, which the layer before gives" in message and "- from: a" in message
    message = refused(kept[0], "relu", {"from": "a"}, "mean_pool", "linear")
    assert "nothing reads what the layer before gives" in message and "`as: NAME`" in message
    message = refused(*kept, {"from": "c"}, "mean_pool", "linear")
    assert "nothing was kept as `c`" in message
    inside = [[{"from": "a"}, "relu"], [{"conv": {"width": 4, "as": "c"}}]]
    assert planned(kept[0], {"add": inside}, "mean_pool", "linear")
    message = refused(kept[0], {"add": inside, "as": "d"}, {"from": "c"}, "mean_pool", "linear")
    assert "nothing was kept as `c`" in message  # it was, on a way of its own


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"patches": {"size": 3, "layers": ["norm"]}}], "a side of 18"),
        ([{"max_pool": 17}], "larger than the map of 16 x 16"),
        ([{"split": ["here", ["relu"]]}], "3 channels can't be split into 2 equal parts"),
        ([{"conv": {"width": "channels / 2"}}], "`width` is 1.5, no whole number"),
        ([{"conv": {"width": "chanels"}}], "did you mean `channels`?"),
        ([{"conv": {"groups": 2}}], "3 channels, not a multiple of the groups, 2"),
        ([{"conv": {"kernel": 2}}], "can't lie in the middle of a pixel"),
        ([{"concat": ["here", "stem"]}], "nothing was kept as `stem`"),
        ([{"linear": 3}, "flatten", "tokens"], "`tokens` takes a map, not 1 axes"),
        ([{"attention": {"heads": 2}}], "attention takes tokens"),
        ([{"relu": {"slope": 0.3}}], "`slope` is of `leaky_relu`"),
        ([{"max_pool": {"ceil": True}}], "`ceil` is of windows"),
        ([{"norm": {"kind": "layer", "groups": 3}}], "`groups` is of the kind `group`"),
        ([{"conv": {"transposed": True, "weight": "standardised"}}], "is one at most"),
        (
            [{"conv": {"transposed": True, "padding_mode": "reflect"}}],
            "of `transposed` and `reflect` a convolution is one at most",
        ),
        (
            [{"conv": {"weight": "spectral", "padding_mode": "circular"}}],
            "of `circular` and `spectral` a convolution is one at most",
        ),
        ([{"conv": {"output_padding": 1}}], "`output_padding` is of transposed convolutions"),
        (
            [{"conv": {"stride": 2, "transposed": True, "output_padding": 2}}],
            "an `output_padding` of 2 is not less than the stride, 2",
        ),
        ([{"conv": {"kernel": 1, "padding_mode": "reflect"}}], "nothing lies around the map"),
        (
            [{"conv": {"kernel": 33, "padding_mode": "reflect"}}],
            "16 pixels around a map of 16 can't be its own (`reflect`)",
        ),
        ([{"norm": {"kind": "layer", "affine": True}}], "`affine` is of the kind `instance`"),
        ([{"residual": ["upsample"]}], "3 x 32 x 32 of 3 x 16 x 16, which no shortcut does"),
        ([{"conv": {"width": "channels * 1000 * 1000 * 1000 * 1000"}}], "`width` is more than"),
        ([{"conv": {"as": "x"}}], "`x` is something else in the code"),
        ([{"conv": {"as": "lambda"}}], "`lambda` is something else in the code"),
    ],
)
def test_layers_that_fit_nowhere_say_why(layers: list[Any], message: str) -> None:
    assert message in refused(*layers, "mean_pool", "linear")


def test_levels_that_do_not_fit_say_which_sizes_do() -> None:
    said = {"widths": [2, 4, 8], "block": [{"conv": "width"}], "down": [{"max_pool": 2}]}
    said["up"] = [{"upsample": 2}, {"conv": "width"}]
    message = refused({"unet": said}, "mean_pool", "linear", image=18)
    assert "level 2 has 4 x 9 x 9, and from below come 4 x 8 x 8" in message
    assert "a map whose sides 4 divides" in message
    plan = planned({"unet": said}, "mean_pool", "linear", image=20)
    assert fields(plan)["widths"] == (2, 4, 8)


def test_the_nearest_size_of_an_image_that_fits_is_named() -> None:
    said = {"widths": [2, 4, 8], "block": [{"conv": "width"}], "down": [{"max_pool": 2}]}
    said["up"] = [{"upsample": 2}, {"conv": "width"}]
    nearest = "the nearest image that fits has {} pixels each way"
    for side, fits in ((18, 20), (19, 20), (17, 16)):
        assert nearest.format(fits) in refused({"unet": said}, "mean_pool", "linear", image=side)
    stem = {"conv": {"width": 3, "stride": 2}}
    message = refused(stem, {"unet": said}, "mean_pool", "linear", image=65)
    assert nearest.format(64) in message  # of 32, and 65 gives 33
    deep = {**said, "widths": [2] * 8}  # which 128 divides
    assert nearest.format(256) in refused({"unet": deep}, "mean_pool", "linear", image=200)
    ways = [[{"conv": {"stride": 2}}], "here"]
    assert "nearest" not in refused({"concat": ways}, "mean_pool", "linear")


def test_scores_of_pixels_are_as_many_as_the_image_has() -> None:
    def said(*layers: Any) -> str:
        with pytest.raises(SpecError) as caught:
            text = spec(*layers).replace("image-classification", "image-segmentation")
            lower(load_text(text, "specs/some.yaml"))
        return str(caught.value)

    message = said({"conv": {"width": "classes", "stride": 2}})
    assert "the last layer gives 5 x 8 x 8 numbers, and the task asks for 5 x 16 x 16" in message
    assert "end with `conv: {width: classes, kernel: 1}`" in said({"conv": 4})
    assert "no `flatten`, and no pool" in said("flatten", "linear")


def test_a_block_sees_what_it_is_given_and_nothing_else() -> None:
    blocks = {"some": [{"conv": {"width": "hidden"}}]}
    message = refused("some", "mean_pool", "linear", blocks=blocks)
    assert "nothing here is called `hidden`" in message
    blocks = {"some": [{"conv": "width"}]}
    message = refused({"some": {"widht": 4}}, "mean_pool", "linear", blocks=blocks)
    assert "no layer of `some` uses `widht`" in message and "did you mean `width`?" in message
    message = refused({"some": {"channels": 4}}, "mean_pool", "linear", blocks=blocks)
    assert "`channels` is of what comes in" in message
    blocks = {"some": ["other"], "other": ["some"]}
    assert "a block inside itself" in refused("some", "mean_pool", "linear", blocks=blocks)


def test_numbers_of_the_model_have_names_that_its_config_has_not() -> None:
    message = refused({"conv": "widths"}, {"conv": 4}, {"conv": 8}, "mean_pool", "linear",
                      numbers={"widths": 3})  # fmt: skip
    assert "the config has a field `widths` already" in message


def test_a_comma_that_ends_a_field_is_told_to_be_quoted() -> None:
    text = spec("relu", "mean_pool", "linear").replace(
        "- relu", "- conv: {width: max(channels, 8), kernel: 3}"
    )
    with pytest.raises(SpecError, match=r'quote it, `width: "max\(channels, 8\)"`'):
        load_text(text, "specs/some.yaml")
    with pytest.raises(SpecError) as caught:
        load_text(text.replace("max(", "(" * 1000), "specs/some.yaml")
    assert len(caught.value.diagnostics[0].message) < 200


def test_layers_of_the_spec_below_are_changed_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    layers = [{"conv": {"width": 4, "as": "stem"}}, {"relu": {"as": "act"}}, "mean_pool", "linear"]
    below, above = tmp_path / "specs/below.yaml", tmp_path / "specs/above.yaml"
    below.write_text(spec(*layers), encoding="utf-8")
    changed = {"stem": {"conv": {"kernel": 5}}, "act": "silu"}
    whole = {"name": "above", "extends": "below.yaml", "model": {"layers": changed}}
    above.write_text(yaml.safe_dump(whole), encoding="utf-8")
    stem, act = load_spec(above, tmp_path).spec.model.layers[:2]  # type: ignore[attr-defined]
    assert (stem.width, stem.kernel, stem.keep) == (4, 5, "stem")
    assert (act.kind, act.keep) == ("silu", "act")
    whole["model"] = {"layers": {"steam": "relu"}}
    above.write_text(yaml.safe_dump(whole), encoding="utf-8")
    with pytest.raises(SpecError, match="did you mean `stem`"):
        load_spec(above, tmp_path)
