"""What routers cost, and how they are corrected, is of the whole batch: in float64, by hand.

The packages compute probabilities of experts in float32, whatever the rest is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.packages import import_train, run_of, write_package
from tests.parity.trial import default_dtype
from tests.plan.models import plan_of
from tests.training.conftest import MODEL, TEXT, Trainer
from tests.training.test_distributed import gradients

SHAPE = "vocab_size: 40, context_length: 12, d_model: 16, layers: 2"
ROUTER = "router: {scores: sigmoid, correction: true, groups: 2, active_groups: 1}"
CAUSAL = {
    "balance": "mlp: {experts: {count: 4, aux_loss: 0.7}}",
    "z-loss": "mlp: {experts: {count: 4, z_loss: 0.3}}",
    "both, in one layer": "mlp: {d_ff: 8}, blocks: {one: {}, two: {mlp: {experts: {count: 6, "
    "active: 3, aux_loss: 0.7, z_loss: 0.3}}}}, layers: [one, two, two]",
    "corrected": "mlp: {experts: {count: 4, aux_loss: 0.7, z_loss: 0.3, " + ROUTER + "}}",
    "dropped": "dropout: 0.3, mlp: {experts: {count: 4, aux_loss: 0.7}}",
}
PARTS = ((8,), (4, 4), (1,) * 8, (5, 1, 2))
OTHERS = {
    "masked-lm": ", attention: {heads: 2, mask: full}",
    "seq2seq-lm": ", attention: {heads: 2}",
}


def made(folder: Path, model: str, task: str = "causal-lm") -> tuple[Any, Any]:
    """The package's train module, and a run whose weights are all random."""
    shape = SHAPE.replace(", layers: 2", "") if "layers:" in model else SHAPE
    more = "" if "attention" in model else ", attention: {heads: 2}"
    train = import_train(plan_of(folder, f"{{{shape}{more}, {model}}}", f"task={task}"), folder)
    options, device = train.Options(data="none", tokenizer="byte"), torch.device("cpu")
    config = run_of(train).Config()
    net = run_of(train).Model(config).double().train()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(std=0.4)
    optimizers = run_of(train).make_optimizers(net, options)
    return train, train.Run(options, device, None, config, net, net, optimizers)


def windows(train: Any, sizes: tuple[int, ...]) -> list[Any]:
    """The same eight rows in parts; a part's targets are not all asked for."""
    torch.manual_seed(2)
    tokens, targets = torch.randint(0, 40, (2, 8, 12))
    targets[targets % 3 == 0] = -100
    targets[0, 2:] = -100
    both = zip(tokens.split(sizes), targets.split(sizes), strict=True)
    return [train.Batch(*part) for part in both]


def pairs(train: Any, sizes: tuple[int, ...]) -> list[Any]:
    """The same eight pairs in parts, each padded to its own longest."""
    generator = torch.Generator().manual_seed(3)

    def drawn() -> list[int]:
        length = int(torch.randint(1, 11, (), generator=generator))
        return torch.randint(1, 40, (length,), generator=generator).tolist()

    rows = [(drawn(), drawn()) for _ in range(8)]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    padded = train.random_batches.__globals__["padded"]
    return [padded(rows[at : at + n], 12, 0) for at, n in zip(starts, sizes, strict=True)]


def by_hand(run: Any, batches: list[Any], config: Any) -> dict[str, Tensor]:
    """Gradients of the cross entropy over all targets and of what all routed tokens cost."""
    seen: list[tuple[str, Tensor]] = []
    routers = {n: m for n, m in run.model.named_modules() if n.endswith("mlp.router")}
    hooks = [
        module.register_forward_hook(lambda _, __, out, name=name: seen.append((name, out)))
        for name, module in routers.items()
    ]
    losses, count, rows = [], 0, []
    for batch in batches:
        seen.clear()
        given = {"source_lengths": batch.source_lengths} if hasattr(batch, "source") else {}
        read = (batch.source, batch.tokens) if given else (batch.tokens,)
        logits = run.model(*read, **given)
        targets = batch.targets.flatten()
        losses.append(F.cross_entropy(logits.flatten(0, 1), targets, reduction="sum"))
        count += int((targets != -100).sum())
        for name, out in seen:
            real = torch.ones(len(out), dtype=torch.bool)
            if given and name.startswith("encoder"):
                at = torch.arange(batch.source.size(1))
                real = (at < batch.source_lengths[:, None]).flatten()
            elif given:
                real = targets != -100
            rows += [row for row, is_real in zip(out, real.tolist(), strict=True) if is_real]
    for hook in hooks:
        hook.remove()
    total = sum(losses) / count + cost(rows, config)
    named = {n: p for n, p in run.model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(total, list(named.values()))
    return dict(zip(named, found, strict=True))


def cost(rows: list[Tensor], config: Any) -> Tensor:
    """The balance and the z-loss of routed tokens, expert by expert (arXiv:2101.03961, eq. 4-6)."""
    whole = torch.zeros(())
    experts = len(rows[0])
    probabilities = [row.exp() / row.exp().sum() for row in rows]
    for expert in range(experts if hasattr(config, "aux_loss") else 0):
        ranks = [
            sorted(row.tolist(), reverse=True).index(float(row[expert].detach())) for row in rows
        ]
        load = sum(rank < getattr(config, "active_experts", 2) for rank in ranks) / len(rows)
        mean = sum(row[expert] for row in probabilities) / len(rows)
        whole = whole + config.aux_loss * experts * load * mean
    if hasattr(config, "router_z_loss"):
        squares = [row.exp().sum().log() ** 2 for row in rows]
        whole = whole + config.router_z_loss * sum(squares) / len(rows)
    return whole


def check(folder: Path, model: str, task: str, split: Callable[..., list[Any]]) -> None:
    with default_dtype(torch.float64):
        train, run = made(folder, model, task)
        wanted = by_hand(run, split(train, PARTS[0]), run.config)
        largest = max(gradient.abs().max() for gradient in wanted.values())
        for sizes in PARTS:
            run.model.zero_grad()
            train.backward(run, split(train, sizes))
            for name, gradient in wanted.items():
                found = dict(run.model.named_parameters())[name].grad
                assert (found - gradient).abs().max() <= 1e-6 * largest, (name, sizes)


@pytest.mark.parametrize("case", [case for case in CAUSAL if case != "dropped"])
def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path: Path, case: str) -> None:
    check(tmp_path, CAUSAL[case], "causal-lm", windows)


@pytest.mark.parametrize("losses", ["aux_loss: 0.7, z_loss: 0.3", "z_loss: 0.3"])
@pytest.mark.parametrize("task", OTHERS)
def test_so_are_those_of_other_tasks(tmp_path: Path, task: str, losses: str) -> None:
    model = f"mlp: {{experts: {{count: 4, {losses}}}}}{OTHERS[task]}"
    check(tmp_path, model, task, pairs if task == "seq2seq-lm" else windows)


STACKS = {
    "of the encoder": "encoder: {mlp: {experts: {count: 4, aux_loss: 0.7, z_loss: 0.3}}}",
    "of the decoder": "mlp: {experts: {count: 4, aux_loss: 0.7}}, encoder: {mlp: {experts: none}}",
    "of each in its way": "mlp: {experts: {count: 4, aux_loss: 0.7}}, "
    "encoder: {mlp: {kind: plain, experts: {count: 4, aux_loss: 0.7, shared: {}}}}",
}


@pytest.mark.parametrize("which", STACKS)
def test_so_are_those_of_experts_of_some_stack(tmp_path: Path, which: str) -> None:
    check(tmp_path, STACKS[which], "seq2seq-lm", pairs)


def test_loads_are_counted_with_what_is_dropped_afterwards(tmp_path: Path) -> None:
    train, run = made(tmp_path, CAUSAL["dropped"])
    run.model.float()
    batches, counted = windows(train, (4, 4)), []
    total = run.model.router_loss
    run.model.router_loss = lambda loads: (
        counted.append((loads, run.model.router_loads())) or total(loads)
    )
    train.backward(run, batches)
    (first, one), (second, two) = counted
    assert torch.equal(first, second) and torch.equal(first, one + two)


@pytest.mark.parametrize("sizes", PARTS)
def test_a_correction_moves_by_the_sign_of_what_an_expert_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...]
) -> None:
    router = "{scores: sigmoid, correction: true, correction_rate: 0.25}"
    with default_dtype(torch.float64):
        train, run = made(tmp_path, f"mlp: {{experts: {{count: 4, router: {router}}}}}")
        chosen: dict[str, list[int]] = {}
        before = {n: p.clone() for n, p in run.model.named_parameters() if "correction" in n}

        def kept(name: str, logits: Tensor) -> None:
            for row in logits:
                scores = (1 / (1 + (-row).exp()) + before[f"{name}.correction_bias"]).tolist()
                best = sorted(range(4), key=lambda expert: -scores[expert])[:2]
                chosen.setdefault(name, []).extend(best)

        for name, module in run.model.named_modules():
            if name.endswith("mlp.router"):
                at = name.removesuffix(".router")
                module.register_forward_hook(lambda _, __, out, at=at: kept(at, out))
        monkeypatch.setattr(train, "random_batches", lambda *_: windows(train, sizes))
        assert not any("correction" in key for key in _optimized(run))
        for _ in range(3):
            train.train_step(run, 1.0)
            for name, earlier in before.items():
                met = chosen.pop(name.removesuffix(".correction_bias"))
                lacks = torch.tensor([len(met) / 4 - met.count(expert) for expert in range(4)])
                assert len(met) == 2 * 8 * 12 and bool(lacks.any())
                moved = earlier + 0.25 * lacks.sign()
                found = run.model.get_parameter(name).detach()
                torch.testing.assert_close(found, moved, rtol=0, atol=1e-12)
            before |= {name: run.model.get_parameter(name).clone() for name in before}


@pytest.mark.parametrize("task", ["causal-lm", *OTHERS])
def test_loads_are_of_each_token_once_however_a_batch_is_split(tmp_path: Path, task: str) -> None:
    router = "{scores: sigmoid, correction: true}"
    model = f"mlp: {{experts: {{count: 4, aux_loss: 0.7, router: {router}}}}}"
    train, run = made(tmp_path, model + OTHERS.get(task, ""), task)
    run.model.float()
    split, found = (pairs if task == "seq2seq-lm" else windows), []
    for sizes in PARTS:
        train.backward(run, split(train, sizes))
        found.append(run.model.expert_loads())
        for module in run.model.modules():
            if hasattr(module, "loads"):
                module.loads = None
    (whole,) = split(train, PARTS[0])
    routed = 2 * whole.tokens.numel()
    if task == "seq2seq-lm":
        routed = 2 * int((whole.targets != -100).sum() + whole.source_lengths.sum())
    assert found[0].sum() == 2 * routed  # experts are active, of each
    assert all(torch.equal(loads, found[0]) for loads in found)


def _optimized(run: Any) -> list[str]:
    held = {p for o in run.optimizers for group in o.param_groups for p in group["params"]}
    return [name for name, parameter in run.model.named_parameters() if parameter in held]


def test_a_rate_of_zero_keeps_the_correction(tmp_path: Path) -> None:
    router = "{scores: sigmoid, correction: true, correction_rate: 0}"
    train, run = made(tmp_path, f"mlp: {{experts: {{count: 4, router: {router}}}}}")
    assert not hasattr(run.model, "correct_routers")
    assert "correct" not in Path(train.__file__).read_text(encoding="utf-8")


@pytest.mark.parametrize("accumulation", [1, pytest.param(2, marks=pytest.mark.long)])
def test_two_processes_share_what_their_routers_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], accumulation: int
) -> None:
    router = {"scores": "sigmoid", "correction": True}
    experts = {"count": 4, "aux_loss": 0.5, "z_loss": 0.1, "router": router}
    model = {**MODEL, "mlp": {"d_ff": 16, "experts": experts}}
    write_package(tmp_path, {"name": "small", "model": model, "data": {"tokenizer": "char"}})
    (tmp_path / "corpus.txt").write_text(TEXT)
    trainer = Trainer(tmp_path, {}, capsys)
    two, one = (gradients(trainer, n, 6 // n, accumulation) for n in (2, 1))
    largest = max(gradient.abs().max() for gradient in one.values())
    for name, gradient in one.items():
        assert (two[name] - gradient).abs().max() <= 1e-6 * largest, name
