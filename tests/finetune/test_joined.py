"""Adapters of projections that are one of transformers': peft's files, there and back."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from codegen.importers.config import parse_config
from codegen.importers.mapping import read_mapping
from codegen.importers.translate import translate
from tests.finetune.beside_peft import METHODS, draw_added
from tests.importers.checkpoints import save
from tests.packages import import_package

# peft asks transformers by a name that this will lose, and is told how GPT-2's matrices lie.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out"),
]
TYPES = {  # queries, keys and values one after the other, by heads; with an MLP's two in one
    "gpt2": ("GPT2Config", {}),
    "gpt_neox": ("GPTNeoXConfig", {}),
    "phi3": ("Phi3Config", {"pad_token_id": 0}),
}
CASES = [
    *((kind, method, None) for kind in TYPES for method in METHODS),
    ("gpt2", "dora", ["v_proj", "down_proj"]),
    ("phi3", "lora", ["q_proj", "v_proj", "up_proj"]),
]


class Both:
    """A model of transformers', and ours with the same weights and something added to them."""

    def __init__(self, folder: Path, kind: str, method: str, targets: list[str] | None) -> None:
        config_class, options = TYPES[kind]
        self.theirs = save(folder / "hub", config_class, **options)
        fields = json.loads((folder / "hub/config.json").read_text())
        if kind == "gpt_neox":  # has no such field, and keeps what it is given
            del fields["num_key_value_heads"]
        config = parse_config(json.dumps(fields), "config.json")
        spec: dict[str, Any] = translate(config, read_mapping(kind)).spec
        said = {"rank": 4, "alpha": 8.0, **METHODS[method]}
        said |= {"targets": targets} if targets else {}
        spec |= {"name": f"{kind}_{method}", "train": {"finetune": said}}
        names = ("model", "adapter", "weights")
        self.model_py, self.adapter_py, weights = import_package(folder, spec, *names)
        self.ours = self.model_py.Model(self.model_py.Config()).eval()
        weights.load_huggingface(self.ours, load_file(folder / "hub/model.safetensors"))
        self.ours.forget_added()
        draw_added(self.ours)

    def without_added(self) -> Any:
        other = self.model_py.Model(self.model_py.Config()).eval()
        other.load_state_dict(self.ours.state_dict())
        other.forget_added()
        return other


@pytest.fixture
def peft() -> ModuleType:
    found: ModuleType = pytest.importorskip("peft")
    return found


@pytest.mark.drawn
@pytest.mark.parametrize(("kind", "method", "targets"), CASES)
@torch.no_grad()
def test_what_is_added_to_parts_of_a_tensor_goes_to_peft_and_back(
    kind: str, method: str, targets: list[str] | None, tmp_path: Path, peft: ModuleType
) -> None:
    both = Both(tmp_path, kind, method, targets)
    tokens = torch.randint(67, (2, 21), generator=torch.Generator().manual_seed(0))
    wanted, bare = both.ours(tokens), both.theirs(tokens).logits
    scale = 1e-5 * wanted.abs().max()
    assert (bare - wanted).abs().max() > 1e3 * scale
    (tmp_path / "ours").mkdir()
    both.adapter_py.write_adapter(both.ours, tmp_path / "ours")
    there = peft.PeftModel.from_pretrained(both.theirs, tmp_path / "ours")
    assert (there(tokens).logits - wanted).abs().max() <= scale
    there.save_pretrained(tmp_path / "theirs")
    other = both.without_added()
    both.adapter_py.read_adapter(other, tmp_path / "theirs")
    for name, tensor in both.ours.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


@pytest.mark.parametrize("method", METHODS)
@torch.no_grad()
def test_an_adapter_that_peft_made_is_read(method: str, tmp_path: Path, peft: ModuleType) -> None:
    """Its one narrow matrix is that of queries, keys and values."""
    both = Both(tmp_path, "gpt2", method, None)
    tokens = torch.randint(67, (2, 21), generator=torch.Generator().manual_seed(0))
    dora, rooted = method == "dora", method == "rslora"
    config = peft.LoraConfig(
        r=4, lora_alpha=8.0, use_dora=dora, use_rslora=rooted, fan_in_fan_out=True,
        target_modules=["c_attn", "c_proj", "c_fc"], task_type="CAUSAL_LM",
    )  # fmt: skip
    there = peft.get_peft_model(both.theirs, config)
    torch.manual_seed(3)
    for name, parameter in there.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            parameter.normal_(std=0.2)
        elif "magnitude" in name:
            parameter *= 1 + 0.3 * torch.rand_like(parameter)
    there.save_pretrained(tmp_path / "theirs")
    other = both.without_added()
    both.adapter_py.read_adapter(other, tmp_path / "theirs")
    wanted = there.eval()(tokens).logits
    assert (other(tokens) - wanted).abs().max() <= 1e-5 * wanted.abs().max()


@pytest.mark.parametrize("task", ["embedding", "tagging"])
@torch.no_grad()
def test_what_is_added_to_encoders_is_read_by_peft(
    task: str, tmp_path: Path, peft: ModuleType
) -> None:
    """A model without a head has no prefix there; of a tagger the head is trained too."""
    config = transformers.BertConfig(
        vocab_size=67, hidden_size=48, intermediate_size=80, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=64, num_labels=3,
    )  # fmt: skip
    name = "BertModel" if task == "embedding" else "BertForTokenClassification"
    torch.manual_seed(0)
    theirs = getattr(transformers, name)._from_config(config, attn_implementation="eager").eval()
    config.architectures = [name]
    read = parse_config(config.to_json_string(), "config.json")
    spec: dict[str, Any] = translate(read, read_mapping(f"bert.{task}")).spec
    spec |= {"name": task, "train": {"finetune": {"rank": 4}}}
    model_py, adapter_py, weights = import_package(tmp_path, spec, "model", "adapter", "weights")
    ours = model_py.Model(model_py.Config()).eval()
    weights.load_huggingface(ours, theirs.state_dict())
    draw_added(ours)
    for parameter in ours.parameters():
        if parameter.requires_grad:
            parameter += 0.1 * torch.randn_like(parameter)
    (tmp_path / "ours").mkdir()
    adapter_py.write_adapter(ours, tmp_path / "ours")
    there = peft.PeftModel.from_pretrained(theirs, tmp_path / "ours").eval()
    tokens = torch.randint(67, (2, 21), generator=torch.Generator().manual_seed(0))
    found = there(input_ids=tokens)
    wanted = ours.hidden(tokens) if task == "embedding" else ours(tokens)
    made = found.last_hidden_state if task == "embedding" else found.logits
    assert (made - wanted).abs().max() <= 1e-5 * wanted.abs().max()


@torch.no_grad()
def test_one_that_no_parts_make_is_refused_whole(tmp_path: Path) -> None:
    both = Both(tmp_path, "gpt2", "lora", ["q_proj", "v_proj"])
    folder = tmp_path / "ours"
    folder.mkdir()
    both.adapter_py.write_adapter(both.ours, folder)
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    other = both.without_added()
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    last = max(name for name in tensors if name.endswith("lora_B.weight"))
    for row, column, part in ((0, 7, "q_proj"), (60, 0, "k_proj"), (140, 0, "v_proj")):
        changed = {name: tensor.clone() for name, tensor in tensors.items()}
        changed[last][row, column] = 1.0
        save_file(changed, path)
        with pytest.raises(ValueError, match=f"{part} there than a product of its own"):
            both.adapter_py.read_adapter(other, folder)
    config = folder / "adapter_config.json"
    config.write_text(config.read_text().replace('c_attn": 8', 'c_attn": 4'))
    with pytest.raises(ValueError, match="a rank_pattern"):
        both.adapter_py.read_adapter(other, folder)
    for name, tensor in before.items():
        assert torch.equal(other.state_dict()[name], tensor), name
