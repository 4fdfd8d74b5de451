"""Chats that share a row are to each other as if each were alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from codegen.errors import SpecError
from codegen.plan import lower
from codegen.spec import load_text
from tests.chats.small import spec_of
from tests.packages import import_model, import_modules, import_weights

LENGTHS = (7, 3, 12, 10)
CONV = {"mixer": "conv", "conv": {"kernel": 3}}
MODELS: dict[str, dict[str, Any]] = {
    "rope": {},
    "learned": {"embedding": {"positions": "learned"}},
    "sinusoidal": {"embedding": {"positions": "sinusoidal"}},
    "window": {"attention": {"heads": 4, "kv_heads": 2, "mask": "causal & window(5)"}},
    "alibi": {"attention": {"heads": 4, "rope": None, "alibi": True}},
    "sinks, soft cap": {"attention": {"heads": 4, "sinks": True, "softcap": 5.0}},
    "latent": {"attention": {"heads": 4, "latent": {"kv_rank": 16, "nope_dim": 8, "rope_dim": 4}}},
    "conv": {"blocks": {"conv": CONV, "full": {}}, "layers": ["conv", "full"]},
    "yarn": {
        "attention": {
            "heads": 4,
            "rope": {"scaling": {"kind": "yarn", "factor": 4.0, "original_context_length": 16}},
        }
    },
}


def plan_of(name: str, packing: bool, model: dict[str, Any], **more: Any) -> Any:
    spec = spec_of(name, "chat", model=model, data={"packing": packing}, **more)
    return lower(load_text(yaml.safe_dump(spec), f"{name}.yaml"))


def drawn(vocabulary: int) -> tuple[list[Tensor], Tensor, Tensor]:
    """Texts, the row of them all, and whose each token is."""
    torch.manual_seed(1)
    whole = torch.randint(0, vocabulary, (1, sum(LENGTHS)))
    ids = torch.repeat_interleave(torch.arange(len(LENGTHS)), torch.tensor(LENGTHS))[None]
    return list(whole.split(LENGTHS, dim=1)), whole, ids


@torch.no_grad()
@pytest.mark.parametrize("name", MODELS)
def test_losses_are_those_of_each_chat_alone(name: str, tmp_path: Path) -> None:
    folders = [tmp_path / part for part in ("packed", "alone")]
    for folder in folders:
        folder.mkdir()
    packed, alone = (
        import_model(plan_of(f"{folder.name}_model", folder.name == "packed", MODELS[name]), folder)
        for folder in folders
    )
    model, other = packed.Model(packed.Config.tiny()), alone.Model(alone.Config.tiny())
    torch.manual_seed(0)
    model.init_weights()
    for parameter in model.parameters():
        parameter.mul_(3)  # so that attention is sharp
    other.load_state_dict(model.state_dict())
    texts, whole, ids = drawn(packed.Config.tiny().vocab_size)
    targets = whole.roll(-1, 1)
    ours = model.eval()(whole, targets, reduction="none", document_ids=ids)
    wanted = [
        other.eval()(text, target, reduction="none")
        for text, target in zip(texts, targets.split(LENGTHS, dim=1), strict=True)
    ]
    torch.testing.assert_close(ours, torch.cat(wanted, 1), rtol=1e-5, atol=1e-5)
    without = model(whole, targets, reduction="none")
    assert (without - ours).abs().max() > 1e-2  # one document, which is another thing


def test_packed_logits_are_those_that_transformers_has_of_each_chat(tmp_path: Path) -> None:
    plan = plan_of("packed_llama", True, {}, checkpoint={"huggingface": "llama"})
    module, weights = import_weights(plan, tmp_path)
    c = module.Config.tiny()
    torch.manual_seed(0)
    theirs = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=c.vocab_size,
            hidden_size=c.d_model,
            intermediate_size=c.d_ff,
            num_hidden_layers=c.layers,
            num_attention_heads=c.heads,
            num_key_value_heads=c.kv_heads,
            head_dim=c.head_dim,
            rms_norm_eps=c.norm_eps,
            rope_parameters={"rope_type": "default", "rope_theta": c.rope_theta},
            tie_word_embeddings=True,
            initializer_range=0.3,
        )
    ).eval()
    model = module.Model(c).eval()
    weights.load_huggingface(model, theirs.state_dict())
    texts, whole, ids = drawn(c.vocab_size)
    with torch.no_grad():
        wanted = torch.cat([theirs(input_ids=text).logits for text in texts], 1)
        ours = model(whole, document_ids=ids)
    torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-4)


def test_no_gradient_crosses_from_one_chat_to_another(tmp_path: Path) -> None:
    plan = plan_of("apart", True, {"embedding": {"tied": False}})
    module = import_model(plan, tmp_path)
    model = module.Model(module.Config.tiny())
    model.init_weights()
    count = module.Config.tiny().vocab_size // len(LENGTHS)
    parts = [torch.randint(n * count, (n + 1) * count, (1, k)) for n, k in enumerate(LENGTHS)]
    whole, ids = torch.cat(parts, 1), drawn(8)[2]
    for n in range(len(LENGTHS)):
        model.zero_grad()
        model(whole, whole.masked_fill(ids != n, -100), document_ids=ids).backward()
        rows = model.token_embedding.weight.grad.view(-1, module.Config.tiny().d_model)
        for other, part in enumerate(parts):
            moved = rows[part.flatten()].abs().amax()
            assert moved > 0 if other == n else moved == 0


@pytest.fixture
def packing(tmp_path: Path) -> Iterator[ModuleType]:
    (module,) = import_modules(plan_of("fitting", True, {}), tmp_path, "packing")
    yield module


def test_the_longest_come_first_into_the_first_row_with_room(packing: ModuleType) -> None:
    assert packing.packed([2, 5, 3, 6, 4], 10) == [[3, 4], [1, 2, 0]]
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        lengths = torch.randint(1, 41, (30,), generator=generator).tolist()
        rows = packing.packed(lengths, 40)
        assert sorted(index for row in rows for index in row) == [*range(30)]
        filled = [sum(lengths[index] for index in row) for row in rows]
        assert max(filled) <= 40
        assert sum(fill <= 20 for fill in filled) <= 1  # any two rows have more than one holds


REFUSED = {
    "model: {attention: {mask: causal & document}}": "`document` is said of each row",
    "model: {attention: {mask: prefix | causal}}": "`prefix` is said of each row",
    "model: {attention: {mask: causal & block(8)}}": "packed chats lie anywhere",
    "model: {attention: {mask: causal & (window(8) | prefix(2))}}": "packed chats lie anywhere",
    "model: {mixer: conv}": "no mask keeps packed chats apart",
    "model: {embedding: {token_shift: true}}": "may be of another packed chat",
    "model: {attention: {rope: {scaling: {kind: dynamic, factor: 2.0, "
    "original_context_length: 64}}}}": "depend on how long a row is",
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_would_differ_in_a_packed_row_is_refused(said: str) -> None:
    with pytest.raises(SpecError, match=re.escape(REFUSED[said])):
        load_text(f"name: a\ntask: chat\n{said}\n", "a.yaml")
    unpacked = f"name: a\ntask: chat\ndata: {{packing: false}}\n{said}\n"
    if "said of each row" not in REFUSED[said]:
        load_text(unpacked, "a.yaml")
