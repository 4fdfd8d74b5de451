"""What a spec may say of fine-tuning, and what its plan makes of it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from codegen.errors import SpecError
from codegen.plan import Plan, lower
from codegen.plan.tables import Parameter
from codegen.spec import load_text

DENSE = {"d_model": 64, "layers": 3, "attention": {"heads": 4}}
ROUTED = {**DENSE, "mlp": {"experts": {"count": 4, "active": 2, "shared": {}}}}


def plan_of(said: Any, model: dict[str, Any] = DENSE, **more: Any) -> Plan:
    spec = {"name": "tuned", "model": model, "train": {"finetune": said}, **more}
    return lower(load_text(yaml.safe_dump(spec), "tuned.yaml"))


def rows(plan: Plan) -> dict[str, Parameter]:
    return {row.name: row for row in plan.model.parameters}


def test_what_is_added_is_all_that_is_trained() -> None:
    table = rows(plan_of("lora"))
    bare = rows(lower(load_text(yaml.safe_dump({"name": "bare", "model": DENSE}), "bare.yaml")))
    assert bare.keys() == {name for name, row in table.items() if not row.trained}
    added = [name for name, row in table.items() if row.trained]
    assert {name.rpartition(".")[2] for name in added} == {"lora_a", "lora_b"}
    assert len(added) == 2 * 3 * 7  # of three layers, each with seven projections
    down = table["blocks.0.mlp.down_proj.weight"].shape
    assert table["blocks.0.mlp.down_proj.lora_a"].shape == (8, down[1])
    assert table["blocks.0.mlp.down_proj.lora_b"].shape == (down[0], 8)


def test_counts_memory_and_flops_are_of_what_is_trained() -> None:
    plan = plan_of({"method": "dora", "rank": 2, "targets": ["q_proj"]})
    trained = 3 * (2 * 64 + 64 * 2 + 64)
    count = sum(row.count for row in plan.model.parameters)
    assert plan.cost.trained_parameters == trained
    assert plan.cost.training_bytes == 4 * (count + trained + 2 * trained)  # gradients, moments
    assert plan.cost.flops_train < 2.2 * plan.cost.flops_forward
    assert plan.train.optimizer.groups.frozen


def test_a_classifier_trains_its_head_unless_it_is_said_otherwise() -> None:
    task: dict[str, Any] = {"task": "sequence-classification"}
    for said, heads in (("lora", True), ({"method": "lora", "train": ["*norm.weight"]}, False)):
        table = rows(plan_of(said, **task))
        assert table["head.weight"].trained == table["head.bias"].trained == heads
        assert table["norm.weight"].trained != heads
    assert not rows(plan_of("lora"))["head.weight"].trained


def test_parts_are_frozen_and_trained_by_patterns() -> None:
    said = {"method": "full", "freeze": ["*"], "train": ["blocks.2.*", "head.*"]}
    trained = [name for name, row in rows(plan_of(said)).items() if row.trained]
    assert trained and all(name.startswith(("blocks.2.", "head.")) for name in trained)
    said = {"method": "lora", "freeze": ["blocks.0.*", "blocks.1.*"]}
    trained = [name for name, row in rows(plan_of(said)).items() if row.trained]
    assert len(trained) == 14 and all(name.startswith("blocks.2.") for name in trained)


def test_projections_around_experts_are_targets_and_experts_are_not() -> None:
    names = [name for name, row in rows(plan_of("lora", ROUTED)).items() if row.trained]
    assert {name.split(".")[-2] for name in names} == {"q_proj", "k_proj", "v_proj", "o_proj"}


@pytest.mark.parametrize(
    ("said", "model", "message"),
    [
        ({"targets": ["q_prj"]}, DENSE, "no layer has a projection `q_prj`"),
        ({"targets": ["q_prj"]}, DENSE, "there are q_proj, k_proj, v_proj, o_proj, gate_proj"),
        ({"targets": ["head"]}, DENSE, "name it in `train`"),
        ({"targets": ["up_proj"]}, ROUTED, "stacked in one tensor"),
        ({"freeze": ["nothing.*"]}, DENSE, "no parameter is called `nothing.*`"),
        ({"freeze": ["norm.weight"]}, DENSE, "`norm.weight` is frozen anyway"),
        ({"train": ["*.lora_a"]}, DENSE, "`*.lora_a` is trained anyway"),
        ({"freeze": ["blocks.*"]}, DENSE, "nothing is left to be trained"),
        ("full", DENSE, "`full` trains all parameters"),
        ({"method": "full", "freeze": ["head.*"], "rank": 4}, DENSE, "`method: lora`"),
        ("qlora", DENSE, "qlora"),
    ],
)
def test_what_means_nothing_is_refused(said: Any, model: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        plan_of(said, model)
    assert message in str(caught.value)


@pytest.mark.parametrize("family", ["recurrent", "network", "gan"])
def test_other_families_say_whose_field_it_is(family: str) -> None:
    text = yaml.safe_dump({"name": "other", "family": family, "train": {"finetune": "lora"}})
    with pytest.raises(SpecError, match=r"unknown field `finetune`[^?]*in family `transformer`"):
        load_text(text, "other.yaml")


@pytest.mark.parametrize("part", ["targets", "freeze", "train"])
def test_a_name_of_any_length_is_shown_in_short(part: str) -> None:
    said = {"method": "lora", part: ["blocks." + "x" * 1_500]}
    with pytest.raises(SpecError) as caught:
        plan_of(said)
    (finding,) = caught.value.diagnostics
    assert len(finding.message) < 200 and "blocks.xxx" in finding.message
