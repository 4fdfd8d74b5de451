"""Losses, gradients and steps on pairs of answers are those of TRL's DPOTrainer."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.chats.small import WORDS, make_tokenizer, spec_of
from tests.packages import import_package

LOSSES = {"dpo": "sigmoid", "dpo_norm": "sigmoid_norm"}
BETAS = {"dpo": 0.1, "dpo_norm": 2.0}
STEPS = 10


def llama(config: Any, seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.d_model,
            intermediate_size=config.d_ff,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            head_dim=config.head_dim,
            rms_norm_eps=config.norm_eps,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
            tie_word_embeddings=True,
            initializer_range=0.2,
        )
    )


def trainer_of(policy: Any, reference: Any, loss: str, folder: Path) -> Any:
    """TRL's, on eight pairs."""
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    generator = torch.Generator().manual_seed(0)

    def words(least: int, most: int) -> str:
        count = int(torch.randint(least, most, (), generator=generator))
        return " ".join(
            WORDS[int(torch.randint(len(WORDS), (), generator=generator))] for _ in range(count)
        )

    rows = [
        {"prompt": words(3, 7) + " ", "chosen": words(2, 8), "rejected": words(2, 8)}
        for _ in range(8)
    ]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=make_tokenizer(), pad_token="<s>", eos_token="</s>"
    )
    arguments = trl.DPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=8,
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        disable_dropout=True,
        beta=BETAS[loss],
        loss_type=LOSSES[loss],
    )
    data = Dataset.from_list(rows)
    return trl.DPOTrainer(
        model=policy,
        ref_model=reference,
        args=arguments,
        train_dataset=data,
        processing_class=tokenizer,
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_gradients_and_steps_are_those_of_trl(loss: str, tmp_path: Path) -> None:
    pytest.importorskip("trl")
    train = {"loss": loss, "beta": BETAS[loss]}
    spec = spec_of(f"pairs_{loss}", "preference", train=train, checkpoint={"huggingface": "llama"})
    names = ("model", "weights", "data", "options", "preference")
    model, weights, data, options, preference = import_package(tmp_path, spec, *names)
    config = model.Config()
    policy, reference = llama(config, 0), llama(config, 1)
    ours, first = model.Model(config), model.Model(config)
    for mine, their in ((ours, policy), (first, reference)):
        weights.load_huggingface(mine, their.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = trainer_of(policy, reference, loss, tmp_path / "trl")
    asked, batch = options.Options(), next(iter(trainer.get_train_dataloader()))
    read = as_ours(data, batch)
    with torch.no_grad():
        found = preference.log_probabilities(first, read)
    read = read._replace(reference=found)
    both = [torch.optim.AdamW(m.parameters(), 1e-3) for m in (ours, trainer.model)]
    trainer.model.train()
    for step in range(STEPS):
        theirs = trainer.compute_loss(trainer.model, dict(batch))
        margins = preference.margins(ours, read, asked)
        mine = preference.sum_over_pairs(margins, asked) / 8
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
        for optimizer, value in zip(both, (mine, theirs), strict=True):
            optimizer.zero_grad()
            value.backward()
        if step == 0:
            same_gradients(weights, model.Model(config), ours, trainer.model)
        for optimizer in both:
            optimizer.step()
    if loss == "dpo":  # of the other TRL logs rewards of whole answers
        total, right, count = preference.told(margins).tolist()
        logged = trainer._metrics["train"]
        assert right / count == pytest.approx(logged["rewards/accuracies"][-1])
        assert total / count == pytest.approx(logged["rewards/margins"][-1], rel=1e-4)
    end = model.Model(config)
    weights.load_huggingface(end, trainer.model.state_dict())
    for (name, one), other in zip(ours.named_parameters(), end.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4, msg=name)


def as_ours(data: ModuleType, batch: Any) -> Any:
    """TRL's batch, whose targets are the tokens after it."""
    ids, answers = batch["input_ids"], batch["completion_mask"]
    targets = ids[:, 1:].masked_fill(answers[:, 1:] == 0, data.IGNORE)
    return data.Batch(ids[:, :-1], targets, torch.zeros(len(ids)))


def same_gradients(weights: ModuleType, like: Any, ours: Any, theirs: Any) -> None:
    """Theirs, read as weights are, are ours."""
    named = {name: p.grad for name, p in theirs.named_parameters()}
    named.setdefault("lm_head.weight", named["model.embed_tokens.weight"])
    weights.load_huggingface(like, named)
    scale = max(float(p.grad.abs().max()) for p in ours.parameters())
    for mine, wanted in zip(ours.parameters(), like.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, wanted.data, rtol=0, atol=1e-5 * scale)


def test_pairs_that_may_be_the_wrong_way_round_have_soft_targets(tmp_path: Path) -> None:
    spec = spec_of("soft", "preference", train={"label_smoothing": 0.2})
    options, preference = import_package(tmp_path, spec, "options", "preference")
    margins = torch.linspace(-4, 4, 9, dtype=torch.float64)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(
        margins, torch.full_like(margins, 0.8), reduction="sum"
    )
    torch.testing.assert_close(preference.sum_over_pairs(margins, options.Options()), wanted)
