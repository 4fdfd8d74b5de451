"""Keys and values kept as whole numbers: beside float64, and where rows come and go."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from codegen.errors import SpecError
from codegen.plan import lower
from codegen.spec import load_text
from tests.packages import import_package

MODEL: dict[str, Any] = {
    "vocab_size": 61,
    "context_length": 64,
    "d_model": 64,
    "layers": 2,
    "attention": {"heads": 4, "kv_heads": 2},
}
TRAIN = {"quantize": {"cache": "int8"}}
RING = "causal & (window(12) | sink(2))"
LENGTH = 40


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> list[ModuleType]:
    spec = {"name": "kept", "model": MODEL, "train": TRAIN}
    return import_package(tmp_path_factory.mktemp("kept"), spec, "model", "generate")


@pytest.fixture(scope="module")
def ringed(tmp_path_factory: pytest.TempPathFactory) -> list[ModuleType]:
    """A package whose layers see a window, and the first tokens."""
    attention = {**MODEL["attention"], "mask": RING}
    spec = {"name": "ringed", "model": {**MODEL, "attention": attention}, "train": TRAIN}
    return import_package(tmp_path_factory.mktemp("kept"), spec, "model", "generate")


def drawn(module: ModuleType) -> Any:
    """A model whose layers all matter."""
    torch.manual_seed(0)
    made = module.Model(module.Config()).eval()
    for parameter in made.parameters():
        width = parameter.shape[-1] ** -0.5
        torch.nn.init.normal_(parameter, mean=float(parameter.dim() == 1), std=width)
    return made


def tokens(rows: int, length: int = LENGTH) -> Tensor:
    return torch.randint(61, (rows, length), generator=torch.Generator().manual_seed(1))


def rounded(numbers: Tensor) -> Tensor:
    """Whole numbers up to 127 of the largest of a position in a head, times their scale."""
    scale = numbers.abs().amax(-1, keepdim=True) / 127
    return (numbers / scale).round() * scale


@torch.no_grad()
def in_float64(module: ModuleType, model: Any, given: Tensor, patch: pytest.MonkeyPatch) -> Tensor:
    """Logits of a full forward in which queries see rounded keys and values."""
    plain = torch.nn.functional.scaled_dot_product_attention

    def of_rounded(q: Tensor, k: Tensor, v: Tensor, **said: Any) -> Tensor:
        return plain(q, rounded(k), rounded(v), **said)

    exact = module.Model(module.Config()).double().eval()
    exact.load_state_dict(model.state_dict())
    with patch.context() as inside:
        inside.setattr(torch.nn.functional, "scaled_dot_product_attention", of_rounded)
        logits: Tensor = exact(given)
    return logits


@torch.no_grad()
def decoded(model: Any, given: Tensor, prompt: int, at_once: int = 1) -> Tensor:
    """Logits after each token from the prompt's last one on, of tokens that come by and by."""
    cache = model.new_cache(len(given), LENGTH)
    found = [model.prefill(given[:, :prompt], cache)[:, None]]
    for start in range(prompt, LENGTH, at_once):
        found.append(model.extend(given[:, start : start + at_once], cache))
    return torch.cat(found, dim=1)


@pytest.mark.parametrize(("prompt", "at_once"), [(1, 1), (16, 1), (7, 11), (LENGTH, 1)])
def test_decoding_is_a_full_forward_with_rounded_keys_and_values(
    prompt: int, at_once: int, package: list[ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, given = drawn(package[0]), tokens(3)
    wanted = in_float64(package[0], model, given, monkeypatch)[:, prompt - 1 :]
    found = decoded(model, given, prompt, at_once).double()
    with torch.no_grad():
        exact = model(given)[:, prompt - 1 :].double()
    rounding = (wanted - exact).abs().mean()
    assert (found - wanted).abs().mean() < 0.05 * rounding  # numbers next to a half aside
    assert rounding < 0.02 * exact.std()


def test_a_ring_rounds_as_little(ringed: list[ModuleType]) -> None:
    model, given = drawn(ringed[0]), tokens(3)
    with torch.no_grad():
        exact = model(given)
    for prompt, at_once in ((1, 1), (20, 1), (9, 5)):
        found = decoded(model, given, prompt, at_once)
        error = (found - exact[:, prompt - 1 :]).abs().mean()
        assert 0 < error < 0.02 * exact.std()


@pytest.mark.parametrize("which", ["package", "ringed"])
@torch.no_grad()
def test_a_longer_cache_holds_the_same_and_a_row_begins_anew(
    which: str, request: pytest.FixtureRequest
) -> None:
    module, generate = request.getfixturevalue(which)
    model, given = drawn(module), tokens(2)
    cache = model.new_cache(2, 30)
    model.prefill(given[:, :20], cache)
    grown = generate.longer(cache, model, LENGTH)
    if which == "package":  # rings turn by their lengths
        wanted, found = model.extend(given[:, 20:25], cache), model.extend(given[:, 20:25], grown)
        torch.testing.assert_close(found, wanted)
        cache = grown
    generate.forget(cache, 1)
    alone = model.new_cache(1, cache.length)
    wanted = model.extend(given[:1, 30:38], alone)
    new = torch.stack((given[1, 30:38], given[0, 30:38]))
    lengths = torch.tensor([0 if which == "package" else 1, 8])
    found = model.extend(new, cache, lengths)
    torch.testing.assert_close(found[1:], wanted)


@torch.no_grad()
def test_it_takes_a_quarter_of_floats_and_their_scales(package: list[ModuleType]) -> None:
    module, _ = package
    layers = drawn(module).new_cache(2, LENGTH).layers
    held = [t for layer in layers for t in vars(layer).values() if isinstance(t, Tensor)]
    kept = sum(t.nbytes for t in held if t.dim() == 4)
    floats = len(layers) * 2 * 2 * 2 * LENGTH * 16 * 4  # keys, values; rows; heads
    assert kept == floats * (1 + 4 / 16) / 4
    plan = lower(load_text(SPEC.format(cache="int8"), "kept.yaml"))
    plain = lower(load_text(SPEC.format(cache="none"), "kept.yaml"))
    assert plan.cost.kv_cache_bytes / plain.cost.kv_cache_bytes == (1 + 2 / 16) / 2


SPEC = """\
name: kept
model: {{d_model: 64, layers: 2, context_length: 64, attention: {{heads: 4, kv_heads: 2}}}}
train: {{quantize: {{cache: {cache}}}}}
"""
LATENT = "latent: {kv_rank: 32, nope_dim: 16, rope_dim: 16, value_dim: 16}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"model: {{attention: {{heads: 4, {LATENT}}}}}", "a latent is of all heads"),
        ("model: {d_model: 64, mixer: conv}", "no layer attends"),
        ("family: recurrent", "models of the family `recurrent` keep no keys and values"),
        ("task: masked-lm", "cache"),
        ("task: seq2seq-lm", "cache"),
    ],
)
def test_where_nothing_is_kept_that_could_be_rounded_the_spec_is_refused(
    text: str, said: str
) -> None:
    with pytest.raises(SpecError) as error:
        lower(load_text(f"name: kept\n{text}\ntrain: {{quantize: {{cache: int8}}}}\n", "k.yaml"))
    assert said in str(error.value)
