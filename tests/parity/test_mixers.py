"""Models with other mixers than attention: what they compute, learn and keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch._dynamo.testing import CompileCounter

from codegen.plan import Plan
from tests import oracle
from tests.packages import import_model
from tests.parity.number_checks import check_numbers
from tests.parity.text_checks import TextTrial, check_all
from tests.parity.trial import default_dtype, plan_of

HEAD = "vocab_size: 23, context_length: 20, d_model: 16, embedding: {tied: true}, head: {}"
TURNED = "attention: {heads: 4, kv_heads: 2, head_dim: 4, qk_norm: rms}"
MODELS = {
    "beside attention": f"{TURNED}, blocks: {{conv: {{mixer: conv}}, full: {{}}}}, "
    "layers: [conv, full, conv]",
    "with biases, beside a window": f"{TURNED}, conv: {{kernel: 4, bias: true}}, layers: "
    "[conv, near], blocks: {conv: {mixer: conv}, near: {attention: {mask: causal & window(3)}}}",
    "of several kernels": "attention: {heads: 2}, layers: [two, wide, full], blocks: {two: {mixer: "
    "conv, conv: {kernel: 2}}, wide: {mixer: conv, conv: {kernel: 30}}, full: {}}",
    "alone": "mixer: conv, layers: 2, norm: {placement: sandwich}",
    "parallel, and before shared keys": f"{TURNED}, residual: {{layout: parallel}}, layers: "
    "[full, conv, late], blocks: {full: {}, conv: {mixer: conv}, late: {attention: {kv_of: full, "
    "qk_norm: none}}}",
    "of several documents": f"{TURNED.replace('heads: 4', 'mask: causal & document, heads: 4')}, "
    "layers: [conv, full, wide], blocks: {conv: {mixer: conv}, full: {}, wide: {mixer: conv, conv: "
    "{kernel: 5, bias: true}}}",
    "beside experts and a prefix": "attention: {heads: 2, mask: causal | prefix}, layers: [conv, "
    "full], blocks: {conv: {mixer: conv, mlp: {experts: {count: 4, active: 2}}}, full: {}}",
}


def plan(name: str) -> Plan:
    spec = yaml.safe_load(f"{{name: drawn_model, model: {{{HEAD}, {MODELS[name]}}}}}")
    found = plan_of(spec)
    if "heads" in MODELS[name]:
        check_numbers(spec["model"], found.model, "causal-lm")
    return found


@pytest.mark.parametrize("name", MODELS)
def test_convolutions_compute_and_decode_what_the_oracle_does(name: str) -> None:
    check_all(plan(name), 1)


@pytest.mark.parametrize("name", ["with biases, beside a window", "alone", "of several documents"])
def test_gradients_are_the_slopes_of_the_oracle_s_loss(name: str) -> None:
    step = 1e-5
    with default_dtype(torch.float64):
        trial = TextTrial(plan(name), 2)
        trial.load()
        targets = np.roll(trial.tokens, -1, axis=1)
        given = trial.given(trial.inputs)
        trial.model(torch.from_numpy(trial.tokens), torch.from_numpy(targets), **given).backward()
    for key, parameter in trial.model.named_parameters():
        way = trial.random.normal(size=parameter.shape)
        sides = []
        for sign in (-1, 1):
            weights = {**trial.weights, key: trial.weights[key] + sign * step * way}
            logits = oracle.logits(trial.plan, weights, trial.tokens, trial.inputs)
            sides.append(float(oracle.loss(logits, targets, "mean")))
        assert parameter.grad is not None
        ours = float((parameter.grad.numpy() * way).sum())
        assert ours == pytest.approx((sides[1] - sides[0]) / (2 * step), rel=1e-5, abs=1e-9), key


@torch.no_grad()
def test_a_compiled_decode_with_a_convolution_is_compiled_once(tmp_path: Path) -> None:
    code = import_model(plan("beside attention"), tmp_path)
    torch.manual_seed(0)
    model = code.Model(code.Config()).eval()
    tokens = torch.randint(0, 23, (2, 5))
    torch._dynamo.reset()
    compiled = CompileCounter()
    step = torch.compile(model.decode, backend=compiled, fullgraph=True, dynamic=False)
    caches = [model.new_cache(2, 11) for _ in range(2)]
    lengths = torch.tensor([3, 5])
    ours, theirs = (model.prefill(tokens, cache, lengths).argmax(-1) for cache in caches)
    for _ in range(6):
        ours, theirs = step(ours, caches[0]).argmax(-1), model.decode(theirs, caches[1]).argmax(-1)
        assert torch.equal(ours, theirs)
    assert compiled.frame_count == 1


@torch.no_grad()
def test_a_row_s_state_is_that_of_its_text_alone(tmp_path: Path) -> None:
    code = import_model(plan("with biases, beside a window"), tmp_path)
    torch.manual_seed(0)
    model = code.Model(code.Config()).eval()
    tokens, lengths = torch.randint(0, 23, (3, 9)), [1, 2, 9]
    together = model.new_cache(3, 20)
    model.prefill(tokens, together, torch.tensor(lengths))
    model.extend(tokens[:, :4], together, torch.tensor([4, 0, 1]))
    for row, (length, more) in enumerate(zip(lengths, (4, 0, 1), strict=True)):
        alone = model.new_cache(1, 20)
        model.prefill(tokens[row : row + 1, :length], alone)
        if more:
            model.extend(tokens[row : row + 1, :more], alone)
        for ours, wanted in zip(together.states, alone.states, strict=True):
            torch.testing.assert_close(ours.inputs[row], wanted.inputs[0])
    with pytest.raises(ValueError, match="no way back: a convolution"):
        together.truncate(together.lengths)
