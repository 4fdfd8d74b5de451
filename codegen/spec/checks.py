"""What single fields can't know: combinations that no model can have. One function a rule."""

from __future__ import annotations

import importlib.util
import keyword
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from codegen.spec.diagnose import suggestion
from codegen.spec.mistake import Mistake
from codegen.spec.transformer.check_blocks import check_blocks
from codegen.spec.transformer.check_ends import check_ends
from codegen.spec.transformer.check_image import check_image
from codegen.spec.transformer.check_layers import NAME, check_layers, check_order
from codegen.spec.transformer.check_stacks import check_stacks
from codegen.spec.transformer.stacks import encoder_model
from codegen.spec.transformer.vocabulary import TransformerSpec
from codegen.spec.yaml.characters import word

MAX_NAME = 80
MAPPINGS = Path(__file__).parent.parent / "importers/huggingface"


def check_name(name: str) -> Iterator[Mistake]:
    """A package name that can be imported and hides nothing."""
    if len(name) > MAX_NAME:
        message = f"`{word(name)}` has {len(name)} characters, a package name at most {MAX_NAME}"
        yield Mistake(("name",), message, "a shorter `name`")
    elif not NAME.fullmatch(name):
        hint = "lower-case letters, digits and `_`, beginning with a letter"
        yield Mistake(("name",), f"`{word(name)}` can't be a package name", hint)
    elif keyword.iskeyword(name) or keyword.issoftkeyword(name):
        yield Mistake(("name",), f"`{name}` is a Python keyword", f"for example `{name}_model`")
    elif _is_module(name):
        message = f"`{name}` is the name of an installed module"
        yield Mistake(("name",), message, f"for example `{name}_model`")


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # imported, but by hand
        return True


def check_encoder(spec: TransformerSpec) -> Iterator[Mistake]:
    """The encoder of an encoder-decoder is an encoder by itself."""
    if spec.task == "seq2seq-lm":
        model = encoder_model(spec.model)
        alone = spec.model_copy(update={"task": "masked-lm", "model": model})
        for finding in (*check_layers(alone), *check_blocks(alone)):
            yield replace(finding, key=("model", "encoder", *finding.key[1:]))


def check_training(spec: TransformerSpec) -> Iterator[Mistake]:
    """Training fits the model and itself."""
    train, model = spec.train, spec.model
    if train.context_length and train.context_length > model.context_length:
        message = f"{train.context_length} tokens a sequence, but the model has room for "
        message += str(model.context_length)
        yield Mistake(("train", "context_length"), message)
    if train.schedule.warmup > train.steps:
        message = f"{train.schedule.warmup} steps of warm-up in a run of {train.steps}"
        yield Mistake(("train", "schedule", "warmup"), message)
    masked = spec.task == "masked-lm"
    if train.tokenizer == "byte" and model.vocab_size < 256 + masked:
        tokens = "256 bytes and a mask token" if masked else "256 bytes"
        yield Mistake(
            ("model", "vocab_size"), f"{tokens} don't fit a vocabulary of {model.vocab_size}"
        )
    if train.mask_token is not None and not masked:
        yield Mistake(("train", "mask_token"), f"nothing is masked in {spec.task}")


def check_checkpoint(spec: TransformerSpec) -> Iterator[Mistake]:
    """The other library's model type is one we have a mapping for."""
    wanted = spec.checkpoint.huggingface
    known = sorted(path.stem for path in MAPPINGS.glob("*.yaml"))
    if wanted is not None and wanted not in known:
        hint = suggestion(wanted, known) or "docs/importing.md says how to add one"
        message = f"no mapping for Hugging Face's `{word(wanted)}`"
        yield Mistake(("checkpoint", "huggingface"), message, hint)


def check_target(spec: TransformerSpec) -> Iterator[Mistake]:
    """The device is described, and of the kind that the target says."""
    arch = spec.target.arch
    known = sorted(path.stem for path in MAPPINGS.parent.parent.joinpath("targets").glob("*.yaml"))
    if arch is not None and arch not in known:
        hint = suggestion(arch, known) or f"known: {', '.join(known)}"
        yield Mistake(("target", "arch"), f"no device `{word(arch)}`", hint)


CHECKS: dict[str, tuple[Callable[[TransformerSpec], Iterator[Mistake]], ...]] = {
    "transformer": (
        check_layers,
        check_blocks,
        check_stacks,
        check_encoder,
        check_image,
        check_ends,
        check_order,
        check_training,
        check_checkpoint,
        check_target,
    ),
}
