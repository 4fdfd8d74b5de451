"""Specs lowered."""

from __future__ import annotations

from pathlib import Path

from codegen.plan import Plan, lower
from codegen.spec import load_spec

ROOT = Path(__file__).parents[2]
SPECS = sorted(  # of transformers
    path
    for path in (ROOT / "specs").glob("*.yaml")
    if load_spec(path, ROOT).spec.family == "transformer"
)


def plan_of(folder: Path, model: str, *overrides: str) -> Plan:
    """The plan of a spec that says no more than `model`."""
    path = folder / "spec.yaml"
    path.write_text(f"name: some_model\nmodel: {model}\n", encoding="utf-8")
    return lower(load_spec(path, folder, overrides))


def tiny_plan(path: Path, *more: str) -> Plan:
    """The plan of a spec at the sizes of its Config.tiny(), with `more` overrides."""
    loaded = load_spec(path, ROOT)
    plan = lower(loaded)
    tiny = {field.name: field.tiny for field in plan.model.fields}
    places = {
        "vocab_size": "model.vocab_size",
        "context_length": "model.context_length",
        "image_size": "model.image.size",
        "patch_size": "model.image.patch_size",
        "classes": "model.classes",
        "d_model": "model.d_model",
        "heads": "model.attention.heads",
        "kv_heads": "model.attention.kv_heads",
        "head_dim": "model.attention.head_dim",
        "d_ff": "model.mlp.d_ff",
        "experts": "model.mlp.experts.count",
        "active_experts": "model.mlp.experts.active",
        "expert_d_ff": "model.mlp.experts.d_ff",
        "shared_d_ff": "model.mlp.experts.shared.d_ff",
        "expert_groups": "model.mlp.experts.router.groups",
        "active_groups": "model.mlp.experts.router.active_groups",
        **{
            name: f"model.attention.latent.{name}"
            for name in ("q_rank", "kv_rank", "nope_dim", "rope_dim", "value_dim")
        },
    }
    overrides = [f"{places[name]}={value}" for name, value in tiny.items() if name in places]
    if "relative_buckets" in tiny:
        buckets, most = tiny["relative_buckets"], tiny["relative_max_distance"]
        bias = f"{{buckets: {buckets}, max_distance: {most}}}"
        overrides.append(f"model.attention.relative_bias={bias}")
    kinds = list(dict.fromkeys(layer.kind for layer in plan.model.layers))
    layers = tiny["layers"] if kinds == [""] else f"[{', '.join(kinds)}]"
    settings = ["checkpoint={huggingface: }", f"model.layers={layers}"]
    settings += [] if plan.model.image else ["data.context_length=8"]
    if getattr(loaded.spec.data, "tokenizer", "") == "byte":  # a tiny vocabulary has no room
        settings.append("data.tokenizer=file")
    return lower(load_spec(path, ROOT, [*overrides, *settings, *more]))
