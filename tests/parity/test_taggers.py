"""A transformer that tags words computes what transformers' BertForTokenClassification does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import BertConfig, BertForTokenClassification

from codegen.plan import lower
from codegen.spec import load_text
from tests.packages import import_model

MODEL: dict[str, Any] = {
    "vocab_size": 50,
    "context_length": 16,
    "classes": 5,
    "d_model": 24,
    "layers": 2,
    "norm": {"kind": "layer", "eps": 1e-12, "placement": "post_residual"},
    "final_norm": False,
    "attention": {"heads": 4, "rope": "none", "bias": True},
    "mlp": {"kind": "plain", "activation": "gelu", "bias": True, "d_ff": 40},
    "embedding": {"positions": "learned", "token_types": 2, "norm": True},
}
OUTSIDE = {
    "token_embedding": "bert.embeddings.word_embeddings",
    "position_embedding": "bert.embeddings.position_embeddings",
    "token_type_embedding": "bert.embeddings.token_type_embeddings",
    "embedding_norm": "bert.embeddings.LayerNorm",
    "head": "classifier",
}
INSIDE = {
    "attention.q_proj": "attention.self.query",
    "attention.k_proj": "attention.self.key",
    "attention.v_proj": "attention.self.value",
    "attention.o_proj": "attention.output.dense",
    "attention_post_norm": "attention.output.LayerNorm",
    "mlp.up_proj": "intermediate.dense",
    "mlp.down_proj": "output.dense",
    "mlp_post_norm": "output.LayerNorm",
}


def theirs(name: str) -> str:
    """What transformers calls a parameter of ours."""
    module, _, kind = name.rpartition(".")
    if module.startswith("blocks."):
        _, layer, inside = module.split(".", 2)
        return f"bert.encoder.layer.{layer}.{INSIDE[inside]}.{kind}"
    return f"{OUTSIDE[module]}.{kind}"


def test_scores_losses_and_gradients_are_those_of_bert(tmp_path: Path) -> None:
    spec = {"name": "tagger", "task": "tagging", "model": MODEL, "data": {"tokenizer": "file"}}
    module = import_model(lower(load_text(yaml.safe_dump(spec), "specs/tagger.yaml")), tmp_path)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=40,
        max_position_embeddings=16,
        num_labels=5,
        attn_implementation="eager",
    )
    bert = BertForTokenClassification(config).double().eval()
    for parameter in bert.parameters():
        parameter.data.normal_(std=0.3)
    ours = module.Model(module.Config()).double().eval()
    of_bert = dict(bert.named_parameters())
    assert {theirs(name) for name, _ in ours.named_parameters()} == of_bert.keys()
    for name, parameter in ours.named_parameters():
        parameter.data.copy_(of_bert[theirs(name)])
    tokens, types = torch.randint(50, (3, 9)), torch.randint(2, (3, 9))
    lengths, targets = torch.tensor([9, 4, 1]), torch.randint(5, (3, 9))
    real = torch.arange(9) < lengths[:, None]
    targets[~real | (torch.rand(3, 9) < 0.3)] = -100
    wanted = bert(tokens, attention_mask=real.long(), token_type_ids=types, labels=targets)
    scores = ours(tokens, lengths=lengths, token_types=types)
    torch.testing.assert_close(scores[real], wanted.logits[real], rtol=1e-9, atol=1e-9)
    loss = ours(tokens, targets, lengths=lengths, token_types=types)
    torch.testing.assert_close(loss, wanted.loss, rtol=1e-9, atol=1e-9)
    loss.backward()
    wanted.loss.backward()
    for name, parameter in ours.named_parameters():
        gradient = of_bert[theirs(name)].grad
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-8, atol=1e-9)
