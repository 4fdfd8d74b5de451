"""`tgen import` from the outside: what it writes, says, and takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file

from codegen.commands.import_ import import_folder
from codegen.importers.convert import digest
from codegen.project import Project, find_project
from codegen.spec import load_spec
from tests.importers.checkpoints import save

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project/specs").mkdir(parents=True)
    (tmp_path / "project/pyproject.toml").write_text("[tool.tgen]\n")
    return find_project(tmp_path / "project")


def run(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python, with these arguments, in the project."""
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=project.root, env=ENVIRONMENT
    )


def test_the_command_makes_a_package_that_samples(tmp_path: Path, project: Project) -> None:
    folder = tmp_path / "my-llama"
    save(folder, "LlamaConfig", vocab_size=67)
    characters = {chr(33 + index): index for index in range(67)}
    (folder / "tokenizer.json").write_text(tokenizer(characters))
    done = run(project, "-m", "codegen", "import", str(folder), "--name", "mine")
    assert done.returncode == 0, done.stderr
    for shown in ("specs/mine.yaml", "generated/mine/", "weights/mine/", "passed", "1 safetensors"):
        assert shown in done.stdout
    assert (project.root / "generated/mine/tgen.lock").exists()
    command = next(line for line in done.stdout.splitlines() if ".sample" in line)
    module = command.split()[2]
    options = ["--checkpoint", "weights/mine", "--prompt", "ABC", "--tokens", "5"]
    sampled = run(project, "-m", module, *options)
    assert sampled.returncode == 0, sampled.stderr
    assert sampled.stdout.startswith("ABC") or "A" in sampled.stdout


def tokenizer(vocabulary: dict[str, int]) -> str:
    return json.dumps(
        {
            "version": "1.0",
            "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "!"},
            "pre_tokenizer": {
                "type": "Split",
                "pattern": {"Regex": "."},
                "behavior": "Isolated",
                "invert": False,
            },
        }
    )


def test_a_mistake_is_a_message_and_no_traceback(tmp_path: Path, project: Project) -> None:
    folder = tmp_path / "llama"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "lama"}')
    done = run(project, "-m", "codegen", "import", str(folder))
    assert done.returncode == 2 and done.stdout == ""
    assert "error: no mapping for the model type `lama`" in done.stderr
    assert "Traceback" not in done.stderr


def test_importing_never_imports_transformers(tmp_path: Path, project: Project) -> None:
    folder = tmp_path / "llama"
    save(folder, "LlamaConfig")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from codegen.commands.import_ import import_folder\n"
        "from codegen.project import find_project\n"
        f"import_folder(Path({str(folder)!r}), find_project(Path.cwd()), test=False)\n"
        "print('transformers' in sys.modules)"
    )
    done = run(project, "-c", code)
    assert done.stdout.strip() == "False", done.stderr


def test_a_config_alone_makes_a_package_without_weights(tmp_path: Path, project: Project) -> None:
    transformers.LlamaConfig(hidden_size=48, num_attention_heads=6).save_pretrained(tmp_path / "c")
    made = import_folder(tmp_path / "c/config.json", project, test=False)
    assert made.weights is None and made.spec == project.specs / "llama.yaml"
    assert not (project.root / "weights").exists()
    assert (project.generated / "llama/weights.py").exists()


def test_a_short_spec_says_what_is_special(tmp_path: Path, project: Project) -> None:
    save(tmp_path / "TinyLlama", "LlamaConfig", tie_word_embeddings=True, rms_norm_eps=1e-5)
    made = import_folder(tmp_path / "TinyLlama", project, test=False)
    assert made.spec.read_text() == (
        "# llama, from config.json of TinyLlama\n"
        "name: llama\n"
        "model:\n"
        "  vocab_size: 67\n"
        "  context_length: 64\n"
        "  d_model: 48\n"
        "  layers: 4\n"
        "  attention: {heads: 6, kv_heads: 2}\n"
        "  mlp: {d_ff: 80}\n"
        "  embedding: {tied: true}\n"
        "checkpoint: {huggingface: llama}\n"
    )


def test_layers_of_two_kinds_make_a_pattern(tmp_path: Path, project: Project) -> None:
    kinds = ["sliding_attention", "full_attention"] * 2
    options = {"use_sliding_window": True, "sliding_window": 5, "layer_types": kinds}
    save(tmp_path / "qwen", "Qwen2Config", **options)
    model = load_spec(import_folder(tmp_path / "qwen", project, test=False).spec, project.root)
    said = model.spec.model.model_dump(exclude_unset=True)
    assert said["layers"] == {"pattern": ["local", "global"], "repeat": 2}
    assert said["blocks"] == {"local": {"attention": {"mask": "causal & window(5)"}}, "global": {}}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("tied", [False, True])
def test_weights_keep_their_number_format(
    dtype: torch.dtype, tied: bool, tmp_path: Path, project: Project
) -> None:
    model = save(tmp_path / "llama", "LlamaConfig", tie_word_embeddings=tied)
    model.to(dtype).save_pretrained(tmp_path / "llama")
    made = import_folder(tmp_path / "llama", project, test=False)
    assert made.weights is not None
    path = made.weights / "checkpoint.safetensors"
    ours = load_file(path)
    assert {tensor.dtype for tensor in ours.values()} == {dtype}
    assert torch.equal(
        ours["model.blocks.2.attention.k_proj.weight"],
        model.state_dict()["model.layers.2.self_attn.k_proj.weight"],
    )
    assert ("model.head.weight" in ours) != tied
    record = json.loads((made.weights / "weights.json").read_text())
    source = tmp_path / "llama/model.safetensors"
    assert record["sources"] == {"model.safetensors": digest(source)}
    assert record["digests"] == {"checkpoint.safetensors": digest(path)}
    assert record["spec_digest"] == made.model.plan.spec_digest
    assert record["parameters"] == made.model.plan.cost.parameters


def test_a_mixture_of_number_formats_stays_one(tmp_path: Path, project: Project) -> None:
    model = save(tmp_path / "llama", "LlamaConfig").bfloat16()
    model.model.norm.float()
    model.save_pretrained(tmp_path / "llama")
    made = import_folder(tmp_path / "llama", project, test=False)
    assert made.weights is not None
    with safe_open(made.weights / "checkpoint.safetensors", "pt") as file:
        assert file.get_tensor("model.norm.weight").dtype == torch.float32
        assert file.get_tensor("model.blocks.0.mlp_norm.weight").dtype == torch.bfloat16


def test_shards_come_together(tmp_path: Path, project: Project) -> None:
    model = save(tmp_path / "llama", "LlamaConfig", shards="40KB")
    seen: list[tuple[int, int, str]] = []
    made = import_folder(
        tmp_path / "llama", project, test=False, moved=lambda *step: seen.append(step)
    )
    assert made.weights is not None
    ours = load_file(made.weights / "checkpoint.safetensors")
    for layer in range(4):
        assert torch.equal(
            ours[f"model.blocks.{layer}.mlp.up_proj.weight"],
            model.state_dict()[f"model.layers.{layer}.mlp.up_proj.weight"],
        )
    assert [step[0] for step in seen[-3:]] == [len(made.files) - 1, *[len(made.files)] * 2]


def test_the_checkpoint_of_the_bare_model_needs_no_prefix(tmp_path: Path, project: Project) -> None:
    model = save(tmp_path / "llama", "LlamaConfig", tie_word_embeddings=True)
    model.model.save_pretrained(tmp_path / "bare")
    made = import_folder(tmp_path / "bare", project, test=False)
    assert made.weights is not None
    ours = load_file(made.weights / "checkpoint.safetensors")
    assert torch.equal(ours["model.token_embedding.weight"], model.model.embed_tokens.weight)


MEMORY = """
import resource, sys
from pathlib import Path
import torch
from codegen.commands.import_ import import_folder
from codegen.project import find_project
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
small, large = map(Path, sys.argv[1:])
import_folder(small, find_project(Path.cwd()), name="small", test=False)
before = peak()
import_folder(large, find_project(Path.cwd()), name="large", test=False)
print(peak() - before)
"""


def test_memory_peaks_at_the_model_and_a_shard(tmp_path: Path, project: Project) -> None:
    save(tmp_path / "small", "LlamaConfig")
    sizes: dict[str, Any] = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 5}
    model = save(tmp_path / "large", "LlamaConfig", shards="10MB", **sizes)
    size = sum(p.numel() for p in model.parameters()) * 4 / 2**20
    assert size > 150
    done = run(project, "-c", MEMORY, str(tmp_path / "small"), str(tmp_path / "large"))
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < size + 10 + 15
