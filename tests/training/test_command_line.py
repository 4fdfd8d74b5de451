"""Training, sampling and their errors, as a person meets them."""

from __future__ import annotations

import resource
import shlex
import signal
import subprocess
import time

import numpy as np
import pytest

from tests.training.conftest import OPTIONS, TEXT, Trainer


def test_a_run_leaves_log_plot_tokenizer_and_checkpoints(trainer: Trainer) -> None:
    done = trainer.train()
    assert "tokens/s" in done.stdout and "best validation loss" in done.stdout
    names = {path.name for path in (trainer.folder / "out/small").iterdir()}
    files = {"checkpoint.safetensors", "best.safetensors", "tokenizer.json", "log.jsonl"}
    assert names - {"loss.png"} == files
    steps = [record["step"] for record in trainer.log() if "loss" in record]
    assert steps == [1, 2, 3, 4, 5, 6]
    command = shlex.split(done.stdout.splitlines()[-1])
    assert command[:3] == ["python", "-m", "small.sample"]
    trainer.run("sample", *command[3:])
    done = trainer.run("sample", "--prompt", "9 green", "--tokens", "50")
    assert done.stdout.startswith("9 green") and len(done.stdout) >= 50


def test_validation_is_the_mean_over_every_token_of_the_split(trainer: Trainer) -> None:
    # At learning rate zero the weights don't move: any batch size gives the same figure.
    losses = set()
    for batch in ("1", "7"):
        trainer.train("--lr", "0", "--batch", batch, "--overwrite", "--steps", "1")
        losses.add(round(trainer.log()[-1]["validation_loss"], 5))
    assert len(losses) == 1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_more_training_lowers_the_loss(trainer: Trainer, dtype: str) -> None:
    trainer.train("--steps", "60", "--lr", "1e-2", "--dtype", dtype)
    losses = [record["loss"] for record in trainer.log() if "loss" in record]
    assert losses[-1] < 0.75 * losses[0]


def test_accumulation_equals_a_larger_batch(trainer: Trainer) -> None:
    trainer.train("--batch", "4", "--out", "large")
    trainer.train("--batch", "2", "--accumulation", "2", "--out", "small")
    large, small = trainer.log("large"), trainer.log("small")
    for a, b in zip(large, small, strict=True):
        for key in ("loss", "norm", "validation_loss"):
            assert a.get(key, 0) == pytest.approx(b.get(key, 0), rel=1e-5)


def test_bytes_and_tokenizer_files_train_and_sample(trainer: Trainer) -> None:
    import tokenizers

    trainer.train("--tokenizer", "byte", "--out", "bytes")
    done = trainer.run("sample", "--checkpoint", "bytes", "--prompt", "\u00e9", "--tokens", "5")
    assert done.stdout.startswith("\u00e9")

    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="[?]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made = tokenizers.trainers.BpeTrainer(vocab_size=200, special_tokens=["[?]"])
    tokenizer.train_from_iterator([TEXT], made)
    tokenizer.save(str(trainer.folder / "bpe.json"))
    trainer.train("--tokenizer", "bpe.json", "--out", "bpe")
    trainer.run("sample", "--checkpoint", "bpe", "--prompt", "green bottles", "--tokens", "5")


def test_binary_files_as_nanogpt_writes_them_are_memory_mapped(trainer: Trainer) -> None:
    folder = trainer.folder / "bins"
    folder.mkdir()
    ids = np.arange(2000, dtype=np.uint16) % 290
    ids[:1800].tofile(folder / "train.bin")
    ids[1800:].tofile(folder / "val.bin")
    trainer.train("--data", "bins")
    (np.arange(500, dtype=np.uint16)).tofile(folder / "val.bin")
    done = trainer.train("--data", "bins", "--overwrite", expect=2)
    assert "holds token 499, the model's vocabulary 300" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere.txt"], "there is no corpus nowhere.txt"),
        (["--data", "short.txt"], "fewer than a --context-length of 16"),
        (["--data", "latin.txt"], "not UTF-8"),
        (["--data", "empty.txt"], "is empty"),
        (["--context-length", "99"], "--context-length is 99, the model's is 32"),
        (["--tokenizer", "nowhere.json"], "neither char, byte nor a tokenizer.json"),
        (["--steps", "0"], "--steps can't be 0"),
        (["--resume"], "there is no checkpoint"),
        (["--device", "abacus"], "--device abacus can't be used"),
    ],
)
def test_bad_input_is_one_clear_line(trainer: Trainer, arguments: list[str], message: str) -> None:
    (trainer.folder / "short.txt").write_text("tiny")
    (trainer.folder / "latin.txt").write_bytes(b"caf\xe9 " * 99)
    (trainer.folder / "empty.txt").touch()
    done = trainer.train(*arguments, expect=2)
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not (trainer.folder / "out/small/checkpoint.safetensors").exists()


def test_a_second_run_does_not_overwrite_the_first(trainer: Trainer) -> None:
    trainer.train()
    path = trainer.folder / "out/small/checkpoint.safetensors"
    before = path.read_bytes()
    done = trainer.train(expect=2)
    assert "--resume" in done.stderr and path.read_bytes() == before


def test_a_checkpoint_of_another_model_is_refused_by_name(trainer: Trainer) -> None:
    trainer.train()
    done = trainer.train("--resume", "--tiny", expect=2)
    assert "is of another model" in done.stderr and "d_ff 128 -> 48" in done.stderr


@pytest.mark.parametrize("keep", [0, 7, 1000, -1])
def test_a_truncated_checkpoint_is_refused_and_kept(trainer: Trainer, keep: int) -> None:
    trainer.train()
    for name in ("checkpoint.safetensors", "best.safetensors"):
        path = trainer.folder / "out/small" / name
        path.write_bytes(path.read_bytes()[:keep])
    for done in (trainer.train("--resume", expect=2), trainer.run("sample", expect=2)):
        assert "is damaged or no checkpoint" in done.stderr
    assert path.exists()


def test_a_full_disk_leaves_the_old_checkpoint_whole(trainer: Trainer) -> None:
    trainer.train()
    out = trainer.folder / "out/small"
    before = (out / "checkpoint.safetensors").read_bytes()
    command = trainer.command("train", "--resume", "--steps", "8")

    def almost_full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limit = len(before) // 2
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        command, cwd=trainer.folder, capture_output=True, text=True, preexec_fn=almost_full
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "could not be written, what was there is untouched" in done.stderr
    assert "Traceback" not in done.stderr
    assert (out / "checkpoint.safetensors").read_bytes() == before
    assert not list(out.glob("*.tmp"))
    trainer.run("train", "--resume", "--steps", "8")


@pytest.mark.drawn
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_saves_says_so_and_can_go_on(trainer: Trainer, number: int) -> None:
    command = trainer.command("train", *OPTIONS, "--steps", "100000")
    command += ["--checkpoint-every", "100000", "--eval-every", "100000"]
    process = subprocess.Popen(
        command, cwd=trainer.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    log = trainer.folder / "out/small/log.jsonl"
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_text().count("\n") > 3):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "go on with --resume" in out
    steps = len(trainer.log())
    trainer.run("train", "--resume", "--steps", str(steps + 2))
    assert [record["step"] for record in trainer.log() if "loss" in record][-1] == steps + 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checkpoint", "nowhere"], "there is no checkpoint"),
        (["--prompt", "\u00fc"], "is not among the"),
        (["--prompt", ""], "an empty prompt"),
        (["--tokens", "0"], "must be at least 1"),
        (["--top-p", "2"], "--top-p is 2.0, not in"),
    ],
)
def test_bad_sampling_input_is_one_clear_line(
    trainer: Trainer, arguments: list[str], message: str
) -> None:
    trainer.train("--steps", "1")
    done = trainer.run("sample", *arguments, expect=2)
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_help_shows_every_default(trainer: Trainer) -> None:
    for module in ("train", "sample"):
        out = trainer.run(module, "--help").stdout
        assert "(default:" in out


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # PyTorch warns of its own compiler
def test_a_compiled_run_gives_the_same_losses(trainer: Trainer) -> None:
    trainer.train("--out", "eager")
    trainer.train("--out", "compiled", "--compile")
    for a, b in zip(trainer.log("eager"), trainer.log("compiled"), strict=True):
        assert a.get("loss", 0) == pytest.approx(b.get("loss", 0), rel=1e-4)
