# Made from specs/t5_small.yaml; make it again: tgen build specs/t5_small.yaml
"""What t5_small promises, tested at toy size, on a GPU where there is one."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from . import (
    attention,
    evaluate,
    generate,
    metrics,
    sample,
    train,
)
from .model import Config, Model
from .run import Run
from .weights import load_huggingface, save_huggingface

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = Config.tiny()
TIME = CONFIG.context_length


def random_tokens(batch: int, time: int = TIME) -> Tensor:
    return torch.randint(0, CONFIG.vocab_size, (batch, time), device=DEVICE)


def random_inputs(batch: int) -> dict[str, Tensor]:
    return {"source": random_tokens(batch), "tokens": random_tokens(batch)}


def random_targets(batch: int) -> Tensor:
    return random_tokens(batch)


@pytest.fixture(autouse=True)
def device_is_reported(record_property: Callable[[str, object], None]) -> None:
    record_property("device", DEVICE)


def random_model() -> Model:
    """Every weight random: nothing hides behind a zero or a one."""
    torch.manual_seed(0)
    model = Model(CONFIG).to(DEVICE).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


@torch.no_grad()
def test_dropout_keeps_the_mean() -> None:
    model = random_model()
    calls: dict[torch.nn.Module, tuple[tuple[object, ...], Tensor]] = {}

    def note(module: torch.nn.Module, given: tuple[object, ...], made: Tensor) -> None:
        calls[module] = given, made

    # What an attention makes is linear in the weights that it drops.
    dropping = [m for m in model.modules() if isinstance(getattr(m, "dropout", None), float)]
    dropping += [m for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    noting = [module.register_forward_hook(note) for module in dropping]
    model(**random_inputs(1))
    for each in noting:
        each.remove()
    for module in dropping:
        given, whole = calls[module]
        module.train()
        made = torch.stack([(module(*given) * whole).sum() for _ in range(200)])
        parts = made / whole.square().sum()
        assert float(parts.std()) > 0
        assert float(parts.mean()) == pytest.approx(1, abs=0.05)


@pytest.fixture(autouse=True)
def tiles_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a toy sequence has several."""
    monkeypatch.setattr(attention, "TILE", 8)


def interpreted(name: str) -> bool:
    """Whether Triton interprets kernels here; if not, the tests of that name run where it does."""
    if os.environ.get("TRITON_INTERPRET") == "1":  # it must be set before triton is imported
        return True
    command = [sys.executable, "-m", "pytest", "-q", __file__, "-k", name]
    done = subprocess.run(
        command, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    return False


def on_kernels(run: Callable[[], list[Tensor]], wanted: bool) -> list[Tensor]:
    """What `run` gives with the Triton kernels (interpreted where there is no GPU), or without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "INTERPRETED", wanted)
        return run()


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_kernels_compute_what_plain_pytorch_computes() -> None:
    if not interpreted("kernels_compute"):
        return
    torch.manual_seed(0)
    model = random_model().cpu()
    source, tokens = (torch.randint(0, CONFIG.vocab_size, (2, time)) for time in (23, 19))
    lengths = torch.tensor([23, 11])

    def run() -> list[Tensor]:
        loss = model(source, tokens, tokens, source_lengths=lengths)
        parameters = [p for p in model.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            cache = model.new_cache(2, 20)
            prompt = model.prefill(source, tokens, cache, source_lengths=lengths)
            return [loss, prompt, model.decode(tokens[:, 0], cache), *gradients]

    kernels, plain = on_kernels(run, True), on_kernels(run, False)
    scale = max(float(gradient.detach().abs().max()) for gradient in plain[3:])
    for index, (result, reference) in enumerate(zip(kernels, plain, strict=True)):
        atol = 1e-5 * (scale if index > 2 else float(reference.detach().abs().max()))
        torch.testing.assert_close(result, reference, rtol=0, atol=atol)


def test_the_loss_is_the_cross_entropy_of_the_logits() -> None:
    model = random_model()
    inputs, targets = random_inputs(20), random_targets(20)
    parameters = [p for p in model.parameters() if p.requires_grad]
    targets[:, ::3] = -100
    for reduction in ("mean", "sum", "none"):
        loss = model(**inputs, targets=targets, reduction=reduction)
        logits = model(**inputs).flatten(0, 1)
        expected = F.cross_entropy(logits, targets.flatten(), reduction=reduction)
        torch.testing.assert_close(loss, expected.view_as(loss), rtol=1e-4, atol=1e-4)
        gradients = torch.autograd.grad(loss.sum(), parameters)
        wanted = torch.autograd.grad(expected.sum(), parameters)
        scale = max(float(gradient.abs().max()) for gradient in wanted)
        for gradient, reference in zip(gradients, wanted, strict=True):
            torch.testing.assert_close(gradient, reference, rtol=0, atol=1e-4 * scale)


@torch.no_grad()
def test_every_token_of_the_target_sees_the_whole_source() -> None:
    model = random_model()
    source, tokens = random_tokens(1, 9), random_tokens(1, 4)
    before = model(source, tokens)
    for place in range(9):
        changed = source.clone()
        changed[0, place] = (source[0, place] + 1) % CONFIG.vocab_size
        assert bool((model(changed, tokens) != before).any(-1).all())


@torch.no_grad()
def test_padding_of_a_source_changes_no_output() -> None:
    model = random_model()
    source, tokens = random_tokens(3), random_tokens(3, 8)
    lengths = torch.tensor([TIME, 5, 1], device=DEVICE)
    together = model(source, tokens, source_lengths=lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = model(source[row : row + 1, :length], tokens[row : row + 1])
        torch.testing.assert_close(alone[0], together[row], rtol=1e-4, atol=1e-4)


def test_a_token_of_the_target_never_sees_the_future() -> None:
    model = random_model()
    source, tokens = random_tokens(2), random_tokens(2)
    changed = tokens.clone()
    changed[:, TIME // 2 :] = random_tokens(2, TIME - TIME // 2)
    before = model(source, tokens)[:, : TIME // 2]
    after = model(source, changed)[:, : TIME // 2]
    torch.testing.assert_close(after, before)


@torch.no_grad()
def test_cached_decoding_equals_the_full_forward() -> None:
    model = random_model()
    source, tokens = random_tokens(3), random_tokens(3)
    lengths = torch.tensor([1, 5, 9], device=DEVICE)
    source_lengths = torch.tensor([7, TIME, 2], device=DEVICE)
    rows = torch.arange(3, device=DEVICE)
    full = model(source, tokens, source_lengths=source_lengths)
    cache = model.new_cache(3, TIME)
    logits = model.prefill(source, tokens[:, :9], cache, lengths, source_lengths=source_lengths)
    torch.testing.assert_close(logits, full[rows, lengths - 1], rtol=1e-4, atol=1e-4)
    for step in range(TIME - 9):
        at = lengths + step
        logits = model.decode(tokens[rows, at], cache)
        torch.testing.assert_close(logits, full[rows, at], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_decoding_reads_the_source_once() -> None:
    model = random_model()
    cache = model.new_cache(1, 8)
    model.prefill(random_tokens(1), random_tokens(1, 1), cache)
    calls: list[object] = []
    for name, part in model.named_modules():
        if name.endswith(("encoder", "cross_attention.k_proj")):
            part.register_forward_hook(lambda module, given, made: calls.append(module))
    model.decode(random_tokens(1, 1)[0], cache)
    assert not calls
    model(random_tokens(1), random_tokens(1, 1))
    assert len(calls) >= 2


@torch.no_grad()
def test_chunks_of_tokens_equal_the_full_forward() -> None:
    model = random_model()
    source, tokens = random_tokens(3), random_tokens(3)
    lengths = torch.tensor([1, 5, 9], device=DEVICE)
    rows = torch.arange(3, device=DEVICE)[:, None]
    full = model(source, tokens)
    cache = model.new_cache(3, TIME)
    model.prefill(source, tokens[:, :9], cache, lengths)
    for time, own in ((3, [3, 3, 3]), (1, [0, 1, 1]), (13, [13, 13, 13]), (5, [2, 0, 5])):
        at = lengths[:, None] + torch.arange(time, device=DEVICE)
        new = torch.tensor(own, device=DEVICE)
        logits = model.extend(tokens[rows, at], cache, new if min(own) < time else None)
        real = torch.arange(time, device=DEVICE) < new[:, None]  # the rest is padding
        torch.testing.assert_close(logits[real], full[rows, at][real], rtol=1e-4, atol=1e-4)
        lengths = lengths + new
    logits = model.decode(tokens[rows[:, 0], lengths], cache)
    torch.testing.assert_close(logits, full[rows[:, 0], lengths], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_tokens_can_be_taken_back() -> None:
    model = random_model()
    source, tokens = random_tokens(1), random_tokens(1, 1)
    more = random_tokens(1, TIME - 1)
    caches = [model.new_cache(1, TIME) for _ in range(2)]
    for cache in caches:
        model.prefill(source, tokens, cache)
    lengths = cache.lengths
    model.extend(random_tokens(1, 9), cache)
    cache.truncate(lengths)
    ours, wanted = (model.extend(more, cache) for cache in caches)
    torch.testing.assert_close(ours, wanted)


@torch.no_grad()
def test_rows_of_a_cache_can_be_chosen() -> None:
    model = random_model()
    source, tokens, more = random_tokens(3), random_tokens(3, 9), random_tokens(3, 5)
    lengths, chosen = (torch.tensor(rows, device=DEVICE) for rows in ([9, 4, 1], [2, 0, 0, 2]))
    caches = [model.new_cache(3, TIME) for _ in range(2)]
    for cache in caches:
        model.prefill(source, tokens, cache, lengths)
    caches[1].select(chosen)
    for at in range(5):
        wanted = model.decode(more[:, at], caches[0])[chosen]
        torch.testing.assert_close(model.decode(more[chosen, at], caches[1]), wanted)


def test_a_cache_that_is_full_says_so() -> None:
    model = random_model()
    cache = model.new_cache(1, 4)
    model.prefill(random_tokens(1), random_tokens(1, 4), cache)
    with pytest.raises(ValueError, match="5 tokens"):
        model.decode(random_tokens(1, 1)[0], cache)


def test_each_source_needs_a_length() -> None:
    with pytest.raises(ValueError, match="source_lengths of"):
        random_model()(random_tokens(2), random_tokens(2), source_lengths=torch.tensor([3]))


def test_a_batch_of_pairs_can_be_overfitted() -> None:
    torch.manual_seed(0)
    model = Model(CONFIG).to(DEVICE)
    model.init_weights()
    source, tokens, targets = random_tokens(4, 8), random_tokens(4, 16), random_tokens(4, 16)
    tokens[:] = tokens[:1]  # the sources alone tell the pairs apart
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    first = model(source, tokens, targets).item()
    for _ in range(150):
        optimizer.zero_grad()
        model(source, tokens, targets).backward()
        optimizer.step()
    assert model(source, tokens, targets).item() < 0.2 * first


def train_briefly(folder: Path, *options: str) -> list[dict[str, float]]:
    """The log of a run of six steps that spells words backwards."""
    words = ["quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]
    corpus = folder.parent / "pairs.tsv"
    corpus.write_text("".join(f"{word}\t{word[::-1]}\n" for word in words * 3))
    given = ["--data", str(corpus), "--tokenizer", "char", "--separator", "\n", "--tiny"]
    given += ["--out", str(folder), "--context-length", "16", "--batch", "4", "--accumulation", "1"]
    given += ["--steps", "6", "--warmup", "1"]
    given += ["--log-every", "1", "--eval-every", "6", "--checkpoint-every", "3"]
    assert train.main([*given, *options]) == 0
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_trained_model_answers_sources(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_briefly(tmp_path / "out")
    assert "(wanted: " in capsys.readouterr().out
    options = ["--checkpoint", str(tmp_path / "out"), "--source", "fox", "--source", "jumps"]
    options += ["--separator", "\n", "--tokens", "9"]
    assert sample.main(options) == 0
    assert "-" * 80 in capsys.readouterr().out
    assert sample.main([*options, "--beams", "4", "--best", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 7  # a line between the sources
    for more in (["--beams", "999"], ["--best", "2"], ["--beams", "2", "--temperature", "1"]):
        assert sample.main([*options, *more]) == 2
        assert capsys.readouterr().err.startswith("error: --b")


def test_sources_of_different_length_are_answered_as_if_alone() -> None:
    model, sources = random_model(), [[1, 2, 3, 4, 5, 6, 7], [8], [9, 10]]
    together = generate.generate(model, sources, 0, 8, temperature=0)
    assert together == [generate.generate(model, [s], 0, 8, temperature=0)[0] for s in sources]


ASKED = [[1, 2, 3, 4, 1], [2], [4, 3]]  # sources of five tokens; 0 ends a target


def model_of_five_tokens() -> Model:
    torch.manual_seed(0)
    model = Model(replace(CONFIG, vocab_size=5)).to(DEVICE).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


@torch.no_grad()
def next_scores(model: Model, source: list[int], texts: list[list[int]]) -> list[list[float]]:
    """Log probabilities of what follows each of these beginnings of a target, of one length."""
    sources = torch.tensor([source] * len(texts), device=DEVICE)
    logits = model(sources, torch.tensor([[0, *text] for text in texts], device=DEVICE))
    return logits[:, -1].log_softmax(-1).tolist()


def plain_search(
    model: Model, source: list[int], tokens: int, beams: int, penalty: float
) -> list[tuple[float, list[int]]]:
    """All answers that a search of one source comes to, which goes on to the last token."""
    begun: list[tuple[float, list[int]]] = [(0.0, [])]
    found = []
    for length in range(1, tokens + 1):
        following = next_scores(model, source, [text for _, text in begun])
        longer = [
            (total + score, [*text, token])
            for (total, text), scores in zip(begun, following, strict=True)
            for token, score in enumerate(scores)
        ]
        longer.sort(reverse=True)
        for total, text in longer[:beams]:
            if text[-1] == 0 or length == tokens:
                found.append((total / length**penalty, text[:-1] if text[-1] == 0 else text))
        begun = [(total, text) for total, text in longer if text[-1] != 0][:beams]
    return sorted(found, reverse=True)


@pytest.mark.parametrize("penalty", [-1.0, 0.0, 1.0, 2.0])
def test_a_beam_search_finds_the_best_answers(penalty: float) -> None:
    model = model_of_five_tokens()
    for beams, tokens, best in ((5**3, 3, 9), (3, 8, 3), (2, 8, 1)):
        found = generate.search(
            model, ASKED, 0, tokens, beams=beams, best=best, length_penalty=penalty
        )
        for source, ours in zip(ASKED, found, strict=True):
            wanted = plain_search(model, source, tokens, beams, penalty)[:best]
            assert [answer.tokens for answer in ours] == [text for _, text in wanted]
            assert [answer.score for answer in ours] == pytest.approx([s for s, _ in wanted], 1e-4)


def test_a_beam_of_one_without_a_penalty_takes_the_likeliest_tokens() -> None:
    model = random_model()
    found = generate.search(model, ASKED, 0, 8, beams=1, length_penalty=0.0)
    likeliest = generate.generate(model, ASKED, 0, 8, temperature=0)
    assert [best[0].tokens for best in found] == likeliest


def test_a_trained_model_is_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_briefly(tmp_path / "out")
    pairs, answers = tmp_path / "pairs.tsv", tmp_path / "answers.tsv"
    asked = ["--checkpoint", str(tmp_path / "out"), "--separator", "\n", "--tokens", "9"]
    given = ["--data", str(pairs), "--limit", "3", "--batch", "2"]
    for more, wanted in ((given, ["quick", "brown", "fox"]), ([], ["lazy", "dog"])):
        capsys.readouterr()
        assert evaluate.main([*asked, *more, "--beams", "3", "--out", str(answers)]) == 0
        printed = capsys.readouterr().out
        assert all(name in printed for name in ("perplexity", "exact match", "BLEU", "chrF2"))
        rows = [line.split("\t") for line in answers.read_text().splitlines()]
        assert [row[0] for row in rows] == wanted
    files = []
    for name, lines in (("--source", "fox\njumps\n"), ("--target", "xof\nspmuj\n")):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(lines.encode()))
        files += [name, str(tmp_path / f"{name}.gz")]
    assert evaluate.main([*asked, *files]) == 0
    assert capsys.readouterr().out.startswith("2 pairs of ")
    for line, problem in (("no tab", ":2 has no tab"), ("f\u00f6x\tx", ":2: character")):
        pairs.write_text(f"fox\txof\n{line}\n", encoding="utf-8")
        assert evaluate.main([*asked, "--data", str(pairs)]) == 2
        assert problem in capsys.readouterr().err


def test_figures_are_those_of_their_definitions() -> None:
    targets = ["the cat sat on the mat", "no, two"]
    assert metrics.bleu(targets, targets) == pytest.approx(100)
    assert metrics.chrf(targets, targets) == pytest.approx(100)
    assert metrics.bleu(["", ""], targets) == metrics.chrf(["", ""], targets) == 0
    assert metrics.edits("kitten", "sitting") == 3
    assert metrics.error_rate(["ab", ""], ["b", "cd"]) == pytest.approx(100)


def test_a_picture_shows_what_an_answer_reads(tmp_path: Path) -> None:
    source, tokens = random_tokens(1, 7)[0], random_tokens(1, 4)[0]
    read = evaluate.alignment(random_model(), source, tokens)
    assert read.shape == (4, 7)
    torch.testing.assert_close(read.sum(1), torch.ones(4, device=DEVICE))
    pytest.importorskip("matplotlib")
    train_briefly(tmp_path / "out")
    asked = ["--checkpoint", str(tmp_path / "out"), "--separator", "\n", "--tokens", "9"]
    picture = tmp_path / "read.png"
    assert evaluate.main([*asked, "--picture", str(picture), "--text", "fox"]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_the_full_model_has_the_planned_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 60_506_624


def test_a_model_made_on_the_meta_device_is_filled_by_init_weights() -> None:
    with torch.device("meta"):
        model = Model(CONFIG)
    model.to_empty(device=DEVICE)
    model.init_weights()
    assert bool(torch.isfinite(model(**random_inputs(1))).all())


def test_training_moves_every_parameter() -> None:
    model = random_model().train()
    model(**random_inputs(8), targets=random_targets(8)).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert bool(parameter.grad.isfinite().all() and parameter.grad.any()), name


def test_a_resumed_run_repeats_the_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_briefly(tmp_path / "whole")
    step = train.train_step

    def killed_at_step_4(run: Run, lr_scale: float) -> tuple[Tensor, Tensor]:
        if run.step == 4:
            raise RuntimeError("killed")
        return step(run, lr_scale)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(train, "train_step", killed_at_step_4)
        train_briefly(tmp_path / "resumed")
    resumed = train_briefly(tmp_path / "resumed", "--resume")
    timed = ("ms", "pairs_per_second", "mfu")
    for before, after in zip(whole, resumed, strict=True):
        assert before.keys() == after.keys()
        assert all(after[key] == before[key] for key in before if key not in timed)


def test_weights_survive_the_way_to_hugging_face_and_back() -> None:
    model, other = random_model(), Model(CONFIG).to(DEVICE).eval()
    load_huggingface(other, save_huggingface(model))
    inputs = random_inputs(1)
    assert torch.equal(other(**inputs), model(**inputs))


def test_a_checkpoint_that_does_not_fit_is_refused_whole() -> None:
    model = random_model()
    state_dict = save_huggingface(model)
    name = next(iter(state_dict))
    before = [parameter.clone() for parameter in model.parameters()]
    for wrong in (
        {key: value for key, value in state_dict.items() if key != name},
        {**state_dict, "stranger": torch.zeros(1)},
        {**state_dict, name: torch.zeros(3, 3)},
    ):
        with pytest.raises(ValueError, match=f"{name}|stranger"):
            load_huggingface(model, wrong)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
