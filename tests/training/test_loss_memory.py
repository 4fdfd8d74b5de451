"""The loss never holds the logits of the whole batch, forward or backward."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.packages import write_package

TOKENS, VOCABULARY = 4096, 40_000
LOGITS_BYTES = 4 * TOKENS * VOCABULARY  # 655 MB in float32

SCRIPT = """
import resource, sys, torch
from generated.wide import Config, Model

torch.manual_seed(0)
model = Model(Config())
tokens = torch.randint(0, 100, (4, 1024))
model(tokens[:, :8], tokens[:, :8]).backward()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model(tokens, tokens, reduction=sys.argv[1]).sum().backward()
print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@pytest.mark.drawn
@pytest.mark.parametrize(
    ("reduction", "softcap"),
    [
        ("mean", None),
        ("none", 30.0),
        pytest.param("mean", 30.0, marks=pytest.mark.long),
        pytest.param("none", None, marks=pytest.mark.long),
    ],
)
def test_training_needs_less_memory_than_the_logits(
    tmp_path: Path, reduction: str, softcap: float | None
) -> None:
    model = {"vocab_size": VOCABULARY, "context_length": 1024, "d_model": 16, "layers": 1}
    model |= {"attention": {"heads": 2}, "head": {"softcap": softcap} if softcap else {}}
    write_package(tmp_path, {"name": "wide", "model": model})
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, reduction], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 0.6 * LOGITS_BYTES
