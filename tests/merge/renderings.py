"""What some specs render to, and what they render to after a change: made once a process."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from codegen.build.rendering import Rendered, formatted, render_one
from codegen.project import Project

ROOT = Path(__file__).parents[2]
FREE = "checkpoint.huggingface=null"  # a model that no other library has
CHANGES: dict[str, tuple[tuple[str, ...], ...]] = {
    "gpt": (
        ("model.layers=2",),
        (FREE, "model.norm=rms"),
        (FREE, "model.attention.kv_heads=4", "model.attention.bias=false"),
        (FREE, "model.attention.mask=causal & window(64)"),
        (FREE, "model.mlp={kind: gated, activation: silu}"),
        (FREE, "model.embedding.positions=none", "model.dropout=0.1"),
        (FREE, "train.optimizer={kind: muon}", "train.accumulation=1"),
        (FREE, "model.attention.qk_norm=rms", "model.head.softcap=30"),
    ),
    "char_modern": (
        ("model.layers=2",),
        ("train.steps=300", "model.head.softcap=20"),
        ("model.norm=layer", "model.attention.qk_norm=none"),
        ("model.attention.mask=causal & (window(16) | sink(2))",),
        ("train.schedule={kind: cosine}", "data.tokenizer=byte", "model.vocab_size=256"),
    ),
    "t5_small": (("model.layers=2",), (FREE, "model.norm=layer"), ("train.batch=4",)),
    "vit_b16": (("model.layers=3",), (FREE, "model.norm=rms"), (FREE, "model.drop_path=0.1")),
}
FILES = ("model.py", "train.py", "data.py", "options.py", "sample.py", "weights.py")


@functools.cache
def renderings() -> dict[str, list[dict[str, str]]]:
    """By spec: its files first, then those of each change."""
    project = Project(ROOT, ROOT / "specs", ROOT / "generated")
    with tempfile.TemporaryDirectory() as nowhere:
        drafts = {
            (name, index): render_one((ROOT / f"specs/{name}.yaml", project, change, Path(nowhere)))
            for name, changes in CHANGES.items()
            for index, change in enumerate(((), *changes))
        }
    made: dict[str, list[dict[str, str]]] = {name: [] for name in CHANGES}
    for (name, change), results in drafts.items():
        (draft,) = results
        assert isinstance(draft, Rendered), (name, change, draft.problems)
        (done,) = formatted([draft], project)
        made[name].append(done.files)
    return made
