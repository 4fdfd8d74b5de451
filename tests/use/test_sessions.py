"""What a session has read is what its text says, however that came: nothing is read twice."""

from __future__ import annotations

import copy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.packages import import_package
from tests.use.small import LANGUAGE_MODEL

ATTENTION = LANGUAGE_MODEL["model"]["attention"]
MODELS: dict[str, dict[str, Any]] = {
    "plain": {},
    "windowed": {"attention": {**ATTENTION, "mask": "causal & window(7)"}},
    "sinks": {"attention": {**ATTENTION, "mask": "causal & (window(7) | sink(2))"}},
    "learned": {"embedding": {"positions": "learned"}, "attention": {"heads": 4}},
    "latent": {"attention": {"heads": 4, "latent": {"kv_rank": 8, "rope_dim": 4, "value_dim": 8}}},
}
RECURRENT = {
    "family": "recurrent",
    "model": {"vocab_size": 400, "context_length": 96, "width": 32, "layers": 1},
    "data": {"tokenizer": "file"},
}
SPECS = {
    **{name: {"model": {**LANGUAGE_MODEL["model"], **said}} for name, said in MODELS.items()},
    "recurrent": RECURRENT,
}


@pytest.fixture(scope="module", params=SPECS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module that generates, and a model whose weights differ from layer to layer."""
    name: str = request.param
    folder = tmp_path_factory.mktemp("session")
    spec = {"name": name, "data": {"tokenizer": "file"}, **SPECS[name]}
    generate, model = import_package(folder, spec, "generate", "model")
    return generate, random_model(model)


def random_model(module: ModuleType) -> Any:
    torch.manual_seed(0)
    model = module.Model(module.Config())
    model.init_weights()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model.eval()


def read_at_once(generate: ModuleType, model: Any, text: list[int]) -> torch.Tensor:
    return generate.Session(model, 1).read([text])


def counted(model: Any) -> list[int]:
    """How many tokens the model reads from now on, call by call."""
    read: list[int] = []
    model.token_embedding.register_forward_hook(lambda _, given, __: read.append(given[0].numel()))
    return read


def test_a_text_that_grows_is_read_once(made: Any) -> None:
    generate, model = made
    text = torch.randint(400, (90,)).tolist()
    session, read, ends = generate.Session(model, 1), counted(model), (5, 6, 9, 40, 90)
    for end in ends:
        del read[:]
        begun = len(session.texts[0])
        logits = session.go_on(text[:end], expected=1)
        assert sum(read) == end - begun
        torch.testing.assert_close(
            logits, read_at_once(generate, model, text[:end]), rtol=1e-4, atol=1e-5
        )


def test_a_text_that_changes_is_what_it_is_now(made: Any) -> None:
    generate, model = made
    text = torch.randint(1, 400, (30,)).tolist()
    session = generate.Session(model, 1)
    session.read([text], expected=20)
    for other in ([*text[:20], 0, 1], text[:20], [0, *text], text[:3]):
        logits = session.go_on(other, expected=1)
        assert session.texts == [other]
        torch.testing.assert_close(
            logits, read_at_once(generate, model, other), rtol=1e-4, atol=1e-5
        )


def test_several_texts_grow_beside_each_other(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    generate, model = made
    monkeypatch.setattr(generate, "READ_TOGETHER", 3)  # shorter than what rows get at once
    parts = [[[1, 2, 3], [4]], [[5], [6, 7, 8, 9]], [[10], [11]], [[12, 13], [14]]]
    session, texts = generate.Session(model, 2), [[], []]
    for both in parts:
        logits = session.read(both)
        texts = [[*text, *more] for text, more in zip(texts, both, strict=True)]
        for row, text in zip(logits, texts, strict=True):
            (wanted,) = read_at_once(generate, model, text)
            torch.testing.assert_close(row, wanted, rtol=1e-4, atol=1e-5)


def test_a_text_goes_on_beyond_the_context(made: Any) -> None:
    generate, model = made
    (row,) = generate.generate(model, [[1, 2, 3]], 200)
    assert len(row) == 203
    context = 96
    if hasattr(model, "rnn"):  # which has no end
        return
    for end in (3 + context, 3 + context + 40):  # what was read last: the newer half, then more
        start = context + 1 - context // 2
        logits = read_at_once(generate, model, row[start:end])
        assert int(logits.argmax()) == row[end]


def test_guesses_change_nothing_but_the_time(tmp_path: Path) -> None:
    spec = {"name": "large", **LANGUAGE_MODEL}
    generate, module, speculate = import_package(tmp_path, spec, "generate", "model", "speculate")
    model = random_model(module)
    draft = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in draft.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    wanted = generate.generate(model, [[1, 2, 3]], 60)[0][3:]
    ends = (wanted[33],)
    for choice in (
        generate.LIKELIEST,
        generate.Choice(temperature=0.0, ends=ends),
        generate.Choice(temperature=0.0, repetition_penalty=1.5, barred=(7,)),
    ):
        plain = generate.generate(model, [[1, 2, 3]], 150, choice)[0][3:]  # beyond the context
        count = speculate.Guesses()
        steps = speculate.speculate(model, draft, [1, 2, 3], 150, choice, count)
        assert [token for (token,) in steps] == plain
        assert 0 < count.right <= count.made


def test_the_best_samples_are_those_that_the_model_finds_the_likeliest(made: Any) -> None:
    generate, model = made
    prompts, scores = [[1, 2, 3], [4, 5]], []
    session = generate.Session(model, 2)
    logits = session.read(prompts, expected=8)
    drawn = torch.Generator().manual_seed(0)
    steps = [*generate.stream(session, logits, 8, generate.Choice(), drawn, scores)]
    for row, prompt in enumerate(prompts):
        text = [*prompt, *(step[row] for step in steps)]
        for at in range(len(prompt), len(text)):
            likely = read_at_once(generate, model, text[:at]).log_softmax(-1)[0, text[at]]
            assert scores[at - len(prompt)][row] == pytest.approx(float(likely), abs=1e-4)
