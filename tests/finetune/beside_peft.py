"""A tiny llama of ours with something added to its projections, and the same one of peft's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.packages import import_package

SIZES = {
    "vocab_size": 61,
    "context_length": 32,
    "d_model": 32,
    "layers": 2,
    "attention": {"heads": 4, "kv_heads": 2},
    "mlp": {"d_ff": 48},
    "norm": {"kind": "rms", "eps": 1e-6},
}
METHODS: dict[str, dict[str, Any]] = {
    "lora": {},
    "rslora": {"scaling": "rslora"},
    "dora": {"method": "dora"},
}
TEXT = "".join(f"{n} green bottles hanging on the wall. " for n in range(200))


def tuned(name: str, **said: Any) -> dict[str, Any]:
    """The spec of such a llama."""
    return {
        "name": name,
        "model": SIZES,
        "checkpoint": {"huggingface": "llama"},
        "data": {"tokenizer": "char"},
        "train": {"finetune": {"rank": 4, "alpha": 8.0, **said}},
    }


def base_of_transformers() -> Any:
    """Weights to start from, without dropout."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=61,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32,
        rms_norm_eps=1e-6,
        tie_word_embeddings=False,
    )
    return transformers.LlamaForCausalLM(config)


@dataclass
class Pair:
    """Modules of our package, a model of it with all that is added drawn, and peft's."""

    model_py: ModuleType
    adapter_py: ModuleType
    run_py: ModuleType
    ours: Any
    theirs: Any
    folder: Path  # peft has read what is added there

    def both(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Each trained parameter beside the one of peft."""
        there = {
            name.replace(".default.weight", "")
            if "magnitude" in name
            else name.replace(".default", ""): parameter
            for name, parameter in self.theirs.named_parameters()
            if parameter.requires_grad
        }
        own = self.adapter_py.tensors_there(self.ours)
        assert own.keys() == there.keys()
        return {name: (own[name], there[name]) for name in own}


@torch.no_grad()
def draw_added(model: Any) -> None:
    """Numbers for what starts at zero, and for lengths that start as they are."""
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if name.endswith(("lora_a", "lora_b")):
            parameter.normal_(std=0.2)
        if name.endswith("magnitude"):
            parameter *= 1 + 0.3 * torch.rand_like(parameter)


def pair_of(folder: Path, method: str) -> Pair:
    """Both models with the same numbers, which went from ours to peft's through a folder."""
    peft = pytest.importorskip("peft")
    spec = tuned(f"beside_{method}", **METHODS[method])
    names = ("model", "adapter", "run", "weights")
    model_py, adapter_py, run_py, weights_py = import_package(folder, spec, *names)
    theirs, ours = base_of_transformers(), model_py.Model(model_py.Config())
    ours.init_weights()
    weights_py.load_huggingface(ours, theirs.state_dict())
    draw_added(ours)
    (folder / "adapter").mkdir()
    adapter_py.write_adapter(ours, folder / "adapter")
    theirs = peft.PeftModel.from_pretrained(theirs, folder / "adapter", is_trainable=True)
    return Pair(model_py, adapter_py, run_py, ours, theirs, folder / "adapter")


def loss_of(pair: Pair, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Ours and peft's, of the same tokens."""
    read, targets = tokens[:, :-1], tokens[:, 1:]
    logits = pair.theirs(read).logits.flatten(0, 1)
    theirs = torch.nn.functional.cross_entropy(logits, targets.flatten())
    ours: Tensor = pair.ours(read, targets.contiguous())
    return ours, theirs
