"""Which pairs a step has: each once in a pass, about one length together, whoever runs it."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from tests.packages import import_package
from tests.training.conftest import MODEL

Key = tuple[int, ...]


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> list[ModuleType]:
    model = {**MODEL, "encoder": {"layers": 1}}
    spec = {"name": "stepper", "task": "seq2seq-lm", "model": model, "train": {"epochs": 3}}
    folder = tmp_path_factory.mktemp("batches_of_pairs")
    return import_package(folder, spec, "data", "model", "train")


@pytest.fixture(scope="module")
def data(modules: list[ModuleType]) -> ModuleType:
    return modules[0]


def corpus(data: ModuleType, count: int, longest: int = 30) -> Any:
    """Pairs that are told apart by their first tokens, and sides that go together in length."""
    random = np.random.default_rng(count)
    sizes = random.integers(1, longest, count)
    others = np.clip(sizes + random.integers(-3, 4, count), 1, None)
    pairs = [
        ([1 + n % 200, *[2] * int(a - 1)], [1 + n // 200, *[2] * int(b - 1)])
        for n, (a, b) in enumerate(zip(sizes, others, strict=True))
    ]
    return data.Corpus(sorted(pairs, key=data.length), pairs[:13], None, 0, known_by="")


def batches(data: ModuleType, of: Any, step: int, **given: Any) -> list[Any]:
    """The micro-batches of all ranks."""
    world = given.pop("world", 1)
    options = data.Options(context_length=99, seed=3, **given)
    ranks = [data.random_batches(of, options, step, rank, world) for rank in range(world)]
    return [batch for each in zip(*ranks, strict=True) for batch in each]


def rows(of: list[Any]) -> list[Key]:
    """What tells the pairs of batches apart: their sides without padding."""
    return sorted(
        (*source[:length].tolist(), 0, *target[target != -100].tolist())
        for batch in of
        for source, length, target in zip(
            batch.source, batch.source_lengths, batch.targets, strict=True
        )
    )


@pytest.mark.parametrize(
    ("count", "batch", "accumulation"),
    [(200, 8, 1), (203, 8, 1), (331, 7, 2), (5, 8, 1), (9, 2, 3), (1, 3, 1), (1700, 2, 1)],
)
def test_each_pass_sees_every_pair_once(
    data: ModuleType, count: int, batch: int, accumulation: int
) -> None:
    of, size = corpus(data, count), {"batch": batch, "accumulation": accumulation}
    steps = -(-4 * count // (batch * accumulation))
    step_size = batch * accumulation
    seen = [data.pairs_of_step(3, step, count, step_size) for step in range(steps)]
    times = np.bincount(np.concatenate(seen), minlength=count)
    assert times.min() >= 4 and times.max() <= 4 + -(-step_size // count)
    if count % step_size == 0:
        assert sorted(np.concatenate(seen[: count // step_size])) == list(range(count))
    whole = [(*source, 0, *target, 0) for source, target in of.train]
    assert rows(batches(data, of, 0, **size)) == sorted(whole[i] for i in seen[0])


def test_ranks_and_accumulation_share_the_pairs_of_one_large_batch(data: ModuleType) -> None:
    of = corpus(data, 500)
    for step in (0, 7, 61, 63):  # 62.5 steps are a pass
        whole = batches(data, of, step, batch=8)
        for world, accumulation in itertools.product((1, 2, 4), (1, 2)):
            size = 8 // world // accumulation
            parts = batches(data, of, step, world=world, accumulation=accumulation, batch=size)
            assert len(parts) == world * accumulation
            assert rows(parts) == rows(whole)
            assert all(len(part.source) == size for part in parts)


def test_batches_hold_little_padding_and_come_in_no_order_of_length(data: ModuleType) -> None:
    of = corpus(data, 3007)

    def padding(order: Any) -> tuple[float, np.ndarray]:
        made = [data.padded([of.train[i] for i in each], 99, 0) for each in order]
        real = sum(int(b.source_lengths.sum()) + b.target_count for b in made)
        lengths = np.array([b.source.size(1) for b in made])
        return 1 - real / sum(b.source.numel() + b.targets.numel() for b in made), lengths

    random = np.random.default_rng(0).permutation(3000).reshape(-1, 20)
    drawn, _ = padding(random)
    found, lengths = padding([data.pairs_of_step(3, step, 3007, 20) for step in range(450)])
    assert drawn > 0.4 and found < 0.12
    assert abs(np.corrcoef(lengths[1:], lengths[:-1])[0, 1]) < 0.3
    assert len({tuple(data.pairs_of_step(seed, 0, 3007, 20)) for seed in range(9)}) == 9


def test_what_is_held_out_is_measured_whole_by_any_ranks(data: ModuleType) -> None:
    of = corpus(data, 40)
    for world, size in ((1, 5), (2, 3), (3, 20)):
        options = data.Options(context_length=99, batch=size)
        parts = [data.validation_batches(of, options, rank, world) for rank in range(world)]
        whole = [(*source, 0, *target, 0) for source, target in of.validation]
        assert rows([batch for part in parts for batch in part]) == sorted(whole)


def test_the_loss_of_a_step_is_that_of_its_pairs_one_by_one(modules: list[ModuleType]) -> None:
    data, model, train = modules
    of = corpus(data, 300)
    torch.manual_seed(0)
    config = replace(model.Config.tiny(), vocab_size=300)
    network = model.Model(config).double()
    network.init_weights()
    options = data.Options(context_length=99, seed=3, batch=4, accumulation=3)
    run = train.Run(options, torch.device("cpu"), of, config, network, network, [], 1)
    loss = train.backward(run, data.random_batches(of, options, 5, 0, 1))
    found = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    total, count = torch.zeros((), dtype=torch.float64), 0
    for i in data.pairs_of_step(3, 5, 300, 12):
        source, target = of.train[i]
        sides = [torch.tensor([side]) for side in (source, [0, *target], [*target, 0])]
        total = total + network(*sides, reduction="sum")
        count += len(target) + 1
    (total / count).backward()
    torch.testing.assert_close(loss.double(), (total / count).detach())
    for gradient, parameter in zip(found, network.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad)


def test_epochs_are_as_many_steps_as_they_have_pairs(
    modules: list[ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.tsv").write_text("".join(f"{n}\t{n * n}\n" for n in range(30)))
    given = ["--data", str(tmp_path / "x.tsv"), "--tokenizer", "byte", "--separator", "0"]
    given += ["--context-length", "16", "--batch", "4", "--warmup", "1", "--epochs", "1.5"]
    assert modules[2].main([*given, "--out", str(tmp_path / "out")]) == 0
    assert re.search(r"^step 11/11 ", capsys.readouterr().out, re.MULTILINE)  # 1.5 * 27 / 4
