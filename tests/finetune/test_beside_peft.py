"""LoRA, rsLoRA and DoRA are peft's: losses, gradients, steps, and the files of adapters."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.finetune.beside_peft import (
    METHODS,
    Pair,
    base_of_transformers,
    loss_of,
    pair_of,
)

# peft asks transformers by a name that this will lose.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
METHOD = pytest.mark.parametrize("method", METHODS)


def tokens_of(step: int) -> torch.Tensor:
    return torch.randint(61, (3, 17), generator=torch.Generator().manual_seed(step))


def nearest(pair: Pair) -> float:
    """The largest difference of trained numbers, relative to the largest number."""
    both = [(ours.detach(), theirs.detach()) for ours, theirs in pair.both().values()]
    largest = max(float(theirs.abs().max()) for _, theirs in both)
    return max(float((ours - theirs).abs().max()) for ours, theirs in both) / largest


@METHOD
def test_losses_gradients_and_ten_steps_are_those_of_peft(method: str, tmp_path: Path) -> None:
    pair = pair_of(tmp_path, method)
    ours, theirs = loss_of(pair, tokens_of(0))
    assert (ours - theirs).abs() <= 1e-5 * theirs.abs()
    torch.autograd.backward(ours)
    torch.autograd.backward(theirs)
    both = pair.both()
    largest = max(float(b.grad.abs().max()) for _, b in both.values() if b.grad is not None)
    for name, (a, b) in both.items():
        assert a.grad is not None and b.grad is not None, name
        assert float((a.grad - b.grad).abs().max()) <= 1e-5 * largest, name
    options = pair.run_py.Options(lr=1e-2, weight_decay=0.1)
    (optimizer,) = pair.run_py.make_optimizers(pair.ours, options)
    groups = [
        {"params": [b for _, b in both.values() if b.ndim > 1], "weight_decay": 0.1},
        {"params": [b for _, b in both.values() if b.ndim == 1], "weight_decay": 0.0},
    ]
    beside = torch.optim.AdamW(groups, 1e-2, (options.beta1, options.beta2), options.eps)
    before = [a.detach().clone() for a, _ in both.values()]
    for step in range(10):
        for each, loss in zip((optimizer, beside), loss_of(pair, tokens_of(step)), strict=True):
            each.zero_grad()
            torch.autograd.backward(loss)
            each.step()
    assert nearest(pair) <= 1e-4
    assert all(
        not torch.equal(a, b) for (a, _), b in zip(pair.both().values(), before, strict=True)
    )


@METHOD
@torch.no_grad()
def test_adapters_go_to_peft_and_back_and_merged_weights_compute_the_same(
    method: str, tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft")
    pair = pair_of(tmp_path, method)
    tokens = tokens_of(0)
    wanted = pair.ours(tokens)
    scale = 1e-5 * wanted.abs().max()
    assert (pair.theirs(tokens).logits - wanted).abs().max() <= scale
    bare = base_of_transformers()(tokens).logits
    assert (bare - wanted).abs().max() > 1e-2 * wanted.abs().max()  # the adapter has a say

    pair.theirs.save_pretrained(tmp_path / "theirs")
    other = pair.model_py.Model(pair.model_py.Config())
    other.load_state_dict(pair.ours.state_dict())
    other.forget_added()
    assert (other(tokens) - bare).abs().max() <= scale
    pair.adapter_py.read_adapter(other, tmp_path / "theirs")
    assert torch.equal(other(tokens), wanted)

    pair.ours.merge()
    assert (pair.ours(tokens) - wanted).abs().max() <= scale
    merged = peft.PeftModel.from_pretrained(base_of_transformers(), pair.folder).merge_and_unload()
    for name, tensor in load_there(pair).items():
        assert (tensor - merged.state_dict()[name]).abs().max() <= 1e-6, name


def load_there(pair: Pair) -> dict[str, torch.Tensor]:
    """The weights of our model under the names of transformers."""
    package = pair.model_py.__package__
    weights = __import__(f"{package}.weights", fromlist=["save_huggingface"])
    saved: dict[str, torch.Tensor] = weights.save_huggingface(pair.ours)
    return saved


def test_an_adapter_of_another_kind_is_refused_whole(tmp_path: Path) -> None:
    pair = pair_of(tmp_path, "lora")
    before = {name: tensor.clone() for name, tensor in pair.ours.state_dict().items()}
    config = pair.folder / "adapter_config.json"
    text = config.read_text()
    for old, new, said in (
        ('"r": 4', '"r": 8', "r 8, not 4"),
        ('"use_dora": false', '"use_dora": true', "use_dora"),
        ('"bias": "none"', '"rank_pattern": {"q_proj": 2}', "rank_pattern"),
    ):
        assert old in text
        config.write_text(text.replace(old, new))
        with pytest.raises(ValueError, match=said):
            pair.adapter_py.read_adapter(pair.ours, pair.folder)
    config.write_text(text)
    path = pair.folder / "adapter_model.safetensors"
    tensors = load_file(path)
    name = next(iter(tensors))
    save_file({key: tensor for key, tensor in tensors.items() if key != name}, path)
    with pytest.raises(ValueError, match=name):
        pair.adapter_py.read_adapter(pair.ours, pair.folder)
    save_file({**tensors, name: torch.zeros(3, 3)}, path)
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        pair.adapter_py.read_adapter(pair.ours, pair.folder)
    for key, tensor in pair.ours.state_dict().items():
        assert torch.equal(tensor, before[key]), key
