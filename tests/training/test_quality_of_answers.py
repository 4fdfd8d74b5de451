"""Figures of answers beside the libraries that define them: sacrebleu's and jiwer's."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.packages import import_modules
from tests.parity.trial import plan_of

SIZES = {"vocab_size": 9, "context_length": 8, "d_model": 8, "layers": 1, "encoder": {}}
MIXED = (
    "the cat. dog, 3.5 1,000 a-b 3-4 don't (see) &amp; &lt;b&gt; &quot;x&quot; <skipped> caf\u00e9 "
    '\u4e2d\u6587 "q" x/y e.g. U.S. -- 5. .5 ,7 100% $3 [a] {b} a_b `c` @d ~e ^f \\g | : ; ? ! '
    "# * + = < > ' - a\u00a0b"
)
PIECES = MIXED.split(" ")


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Any:
    spec = {"name": "measured", "task": "seq2seq-lm", "model": {**SIZES, "attention": {"heads": 2}}}
    (found,) = import_modules(plan_of(spec), tmp_path_factory.mktemp("measured"), "metrics")
    return found


def text(draw: random.Random, most: int) -> str:
    return " ".join(draw.choice(PIECES) for _ in range(draw.randint(1, most)))


def changed(draw: random.Random, target: str, kept: float) -> str:
    """The target with some other words, perhaps shorter, perhaps nothing."""
    words = [word if draw.random() < kept else draw.choice(PIECES) for word in target.split(" ")]
    return " ".join(words)[: draw.choice([0, 3, 9, 999, 999])]


def corpora(seed: int, count: int) -> list[tuple[list[str], list[str]]]:
    """Answers and targets: few and many, near and far, some of which share no n-gram."""
    draw, found = random.Random(seed), []
    for _ in range(count):
        targets = [text(draw, draw.choice([2, 12])) for _ in range(draw.choice([1, 1, 2, 9]))]
        kept = draw.choice([0.0, 0.3, 0.9, 1.0])
        found.append(([changed(draw, target, kept) for target in targets], targets))
    return [*found, ([""], ["a"]), (["a b c d"], ["e f g h"]), (["a b c"], ["a b c"])]


def test_bleu_and_chrf_are_those_of_sacrebleu(metrics: Any) -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    found = []
    for answers, targets in corpora(0, 300):
        bleu, chrf = metrics.bleu(answers, targets), metrics.chrf(answers, targets)
        found.append(bleu)
        assert bleu == pytest.approx(sacrebleu.corpus_bleu(answers, [targets]).score, abs=1e-9)
        assert chrf == pytest.approx(sacrebleu.corpus_chrf(answers, [targets]).score, abs=1e-9)
    assert min(found) == 0 and max(found) > 99 and len(set(found)) > 100


def test_rates_of_errors_are_those_of_jiwer(metrics: Any) -> None:
    jiwer = pytest.importorskip("jiwer")
    for sides in corpora(1, 100):  # to jiwer a space alone parts words
        answers, targets = ([one.replace("\u00a0", " ").strip() for one in side] for side in sides)
        words = [[one.split() for one in side] for side in (answers, targets)]
        assert metrics.error_rate(*words) == pytest.approx(100 * jiwer.wer(targets, answers))
        assert metrics.error_rate(answers, targets) == pytest.approx(
            100 * jiwer.cer(targets, answers)
        )


def test_edits_are_the_fewest_that_there_are(metrics: Any) -> None:
    """Beside the definition: a recursion over the last symbols."""

    def fewest(one: str, other: str) -> int:
        if not one or not other:
            return len(one) + len(other)
        replaced = fewest(one[:-1], other[:-1]) + (one[-1] != other[-1])
        return min(replaced, 1 + fewest(one[:-1], other), 1 + fewest(one, other[:-1]))

    draw = random.Random(0)
    for _ in range(60):
        one, other = ("".join(draw.choices("abc", k=draw.randint(0, 5))) for _ in range(2))
        assert metrics.edits(one, other) == fewest(one, other)
