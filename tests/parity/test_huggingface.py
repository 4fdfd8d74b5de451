"""The same weights give the same logits and gradients in Hugging Face's implementation."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers

from tests.packages import import_package

TOLERANCE = 1e-5  # of the largest logit, and of the largest gradient in the model
LENGTHS = (7, 48)

GPT2 = {
    "vocab_size": 67,
    "context_length": 64,
    "d_model": 48,
    "layers": 3,
    "norm": {"kind": "layer", "eps": 1e-5},
    "attention": {"heads": 4, "bias": True},
    "mlp": {"kind": "plain", "activation": "gelu_tanh", "bias": True},
    "embedding": {"tied": True, "positions": "learned"},
}
LLAMA: dict[str, Any] = {
    "vocab_size": 67,
    "context_length": 64,
    "d_model": 48,
    "layers": 3,
    "norm": {"kind": "rms", "eps": 1e-5},
    "attention": {"heads": 6, "kv_heads": 2, "head_dim": 16, "rope": {"theta": 10000.0}},
    "mlp": {"kind": "gated", "activation": "silu", "d_ff": 80},
}
LLAMA3_SCALING = {
    "kind": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_context_length": 16,
}


def varied(model: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with dotted fields changed: varied(LLAMA, attention__bias=True)."""
    changed = copy.deepcopy(model)
    for name, value in changes.items():
        *parents, last = name.split("__")
        place = changed
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return changed


def gpt2() -> transformers.PreTrainedModel:
    config = transformers.GPT2Config(
        vocab_size=67,
        n_positions=64,
        n_embd=48,
        n_layer=3,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
        attn_implementation="eager",
    )
    return transformers.GPT2LMHeadModel(config)


def llama_like(kind: str, rope: dict[str, Any] | None = None, **options: Any) -> Any:
    config_class = getattr(transformers, f"{kind}Config")
    config = config_class(
        vocab_size=67,
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=16,
        rms_norm_eps=1e-5,
        max_position_embeddings=64,
        rope_parameters=rope or {"rope_type": "default", "rope_theta": 10000.0},
        attn_implementation="eager",
        **options,
    )
    return getattr(transformers, f"{kind}ForCausalLM")(config)


def llama3_rope() -> dict[str, Any]:
    return {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    }


LINEAR_ROPE = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}

CASES = {
    "gpt2": ("gpt2", GPT2, lambda: gpt2()),
    "llama": ("llama", LLAMA, lambda: llama_like("Llama", tie_word_embeddings=False)),
    "llama_tied": (
        "llama",
        varied(LLAMA, embedding__tied=True),
        lambda: llama_like("Llama", tie_word_embeddings=True),
    ),
    "llama_biases": (
        "llama",
        varied(LLAMA, attention__bias=True, mlp__bias=True),
        lambda: llama_like("Llama", attention_bias=True, mlp_bias=True, tie_word_embeddings=False),
    ),
    "llama_llama3_scaling": (
        "llama",
        varied(
            LLAMA,
            embedding__tied=True,
            attention__rope={"theta": 500000.0, "scaling": LLAMA3_SCALING},
        ),
        lambda: llama_like("Llama", llama3_rope(), tie_word_embeddings=True),
    ),
    "llama_linear_scaling": (
        "llama",
        varied(LLAMA, attention__rope={"scaling": {"kind": "linear", "factor": 4.0}}),
        lambda: llama_like("Llama", LINEAR_ROPE, tie_word_embeddings=False),
    ),
    "mistral": (
        "mistral",
        varied(LLAMA, attention__mask="causal & window(9)"),
        lambda: llama_like("Mistral", sliding_window=9, tie_word_embeddings=False),
    ),
}


def randomise(model: torch.nn.Module) -> None:
    """Weights with nothing left at zero or one, where a mistake could hide."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            centre = 1.0 if parameter.ndim == 1 and bool((parameter == 1).all()) else 0.0
            parameter.normal_(mean=centre, std=0.2)


@pytest.fixture(params=CASES)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """(their model, our model, our weights module), holding the same weights."""
    mapping, model, theirs = CASES[request.param]
    spec = {"name": request.param, "model": model, "checkpoint": {"huggingface": mapping}}
    code, weights = import_package(tmp_path, spec, "model", "weights")
    reference = theirs().eval()
    randomise(reference)
    ours = code.Model(code.Config()).eval()
    weights.load_huggingface(ours, reference.state_dict())
    return reference, ours, weights


@pytest.mark.drawn
@pytest.mark.parametrize("length", LENGTHS)
def test_logits_and_gradients_are_hugging_faces(pair: Any, length: int) -> None:
    reference, ours, weights = pair
    tokens = torch.randint(0, 67, (2, length), generator=torch.Generator().manual_seed(1))
    targets = tokens.roll(-1, 1)
    targets[:, :2] = -100
    wanted = reference(tokens).logits
    logits = ours(tokens)
    assert float((logits - wanted).detach().abs().max() / wanted.detach().abs().max()) <= TOLERANCE

    F.cross_entropy(wanted.flatten(0, 1), targets.flatten()).backward()
    ours(tokens, targets).backward()
    # Gradients carried by the same mapping as the weights.
    holder = copy.deepcopy(ours)
    with torch.no_grad():
        for place, parameter in zip(holder.parameters(), ours.parameters(), strict=True):
            place.copy_(parameter.grad)
    gradients = weights.save_huggingface(holder)
    expected = {name: parameter.grad for name, parameter in reference.named_parameters()}
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    worst = max(float((gradients[k] - g).abs().max()) for k, g in expected.items())
    assert worst <= TOLERANCE * largest


@pytest.mark.drawn
def test_weights_go_back_bit_for_bit(pair: Any) -> None:
    reference, ours, weights = pair
    saved = weights.save_huggingface(ours)
    state_dict = reference.state_dict()
    assert saved.keys() == state_dict.keys()
    assert all(torch.equal(saved[name], tensor) for name, tensor in state_dict.items())


def test_a_checkpoint_without_the_heads_prefix_loads(tmp_path: Path) -> None:
    spec = {"name": "bare", "model": GPT2, "checkpoint": {"huggingface": "gpt2"}}
    code, weights = import_package(tmp_path, spec, "model", "weights")
    reference = gpt2()
    ours = code.Model(code.Config())
    weights.load_huggingface(ours, reference.transformer.state_dict())
    assert torch.equal(ours.token_embedding.weight, reference.transformer.wte.weight)


def test_an_untied_head_is_not_dropped_silently(tmp_path: Path) -> None:
    model = varied(LLAMA, embedding__tied=True)
    spec = {"name": "tied", "model": model, "checkpoint": {"huggingface": "llama"}}
    code, weights = import_package(tmp_path, spec, "model", "weights")
    reference = llama_like("Llama", tie_word_embeddings=False)
    with pytest.raises(ValueError, match=r"lm_head\.weight is not tied"):
        weights.load_huggingface(code.Model(code.Config()), reference.state_dict())
