"""Tiny random transformers models of any type: the references of the coverage measurement.

    for setting in settings("causal-lm", "qwen3"):
        model = tiny_model(setting)
        case = example(setting, length=7)
        logits = reference_logits(model, case)

The first setting has the type's defaults at toy size, the others differ in its own options.
Weights are drawn so that nothing sits at zero or one, where a mistake could hide, and so that no
router decides by a hair. The same arguments give the same tensors.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from benchmarks.coverage_options import Change, fields, options, setting
from benchmarks.coverage_sizes import CONTEXT, tiny_values
from benchmarks.coverage_texts import CLASSES, WHOLE, encoders, made_there
from benchmarks.coverage_texts import given as given_texts
from benchmarks.coverage_types import ATTENTION, FIELDS, NESTED
from benchmarks.towers import leave_towers_empty

leave_towers_empty()

MAPPINGS = {
    "causal-lm": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "masked-lm": "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "seq2seq-lm": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "image-classification": "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    "sequence-classification": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    "tagging": "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
    "embedding": "MODEL_MAPPING_NAMES",
}
TASKS = tuple(MAPPINGS)
LENGTHS = (7, 41)  # one is longer than every window, and than the length that RoPE was made for
BATCH = 2
VOCABULARIES = re.compile(r"((src|tgt|decoder)_)?vocab_size")
# What is tried in turn until a model is well-conditioned: a seed, and the size of its matrices.
DRAWS = ((0, 1.0), (1, 1.0), (2, 0.7), (3, 0.7), (4, 0.5))


@dataclass(frozen=True)
class Setting:
    """One configuration of a model type, and the class that runs it."""

    task: str
    model_type: str
    index: int
    config: Any
    model_class: Any
    changed: Change  # fields that differ from the first setting

    @property
    def name(self) -> str:
        return "defaults" if self.index == 0 else f"setting {self.index}"


@dataclass(frozen=True)
class Example:
    """Inputs by the reference's names, in the order of our model's arguments, and targets."""

    inputs: dict[str, torch.Tensor]
    targets: torch.Tensor

    def __str__(self) -> str:
        """How much it is: `2 x 41 tokens`."""
        shape = next(reversed(self.inputs.values())).shape
        return f"{shape[0]} images" if len(shape) == 4 else f"{shape[0]} x {shape[1]} tokens"


def model_types(task: str) -> list[str]:
    """The types that transformers has a model of for this task."""
    names = getattr(modeling_auto, MAPPINGS[task])
    return encoders(names) if task == "embedding" else list(names)


def model_class(task: str, model_type: str) -> Any:
    """The class that transformers' Auto class would take; the first where it has several."""
    name = getattr(modeling_auto, MAPPINGS[task])[model_type]
    return getattr(transformers, name if isinstance(name, str) else name[0])


def tiny_config(config_class: Any, default: Any, given: Change) -> Any:
    """`config_class` at toy size; `given` fields win, and reach into nested configurations."""
    values = fields(default)
    changed = {**tiny_values(values), **given}
    for name, value in values.items():
        if isinstance(value, transformers.PreTrainedConfig):
            extra = given.get(name, {})
            changed[name] = (
                type(value)(**extra)
                if name.endswith("attn_config") and extra
                else tiny_config(type(value), value, extra)
            )
    return config_class(**changed)


@functools.cache
def default_config(model_type: str) -> Any:
    return CONFIG_MAPPING[model_type]()


def build_config(task: str, model_type: str, change: Change) -> Any:
    """The tiny configuration that the task's class takes, with `change` made to its fields."""
    chosen = model_class(task, model_type)
    config_class = CONFIG_MAPPING[model_type]
    given = {**FIELDS.get(model_type, {}), **FIELDS.get(f"{model_type} {task}", {})}
    nested = NESTED.get(model_type)
    default = default_config(model_type)
    if nested is None and not issubclass(config_class, chosen.config_class):
        text = default.get_text_config()
        config_class, default = type(text), text
        given = {**FIELDS.get(text.model_type, {}), **given}
    if task == "causal-lm" and hasattr(default, "is_decoder"):
        given["is_decoder"] = True
    if task == "image-classification":
        given["num_labels"] = 7
    if task in ("sequence-classification", "tagging"):
        given["num_labels"] = CLASSES
        if fields(default).get("pad_token_id") is None:
            given.setdefault("pad_token_id", 0)
    config = tiny_config(config_class, default, merged_change((given, change)))
    return getattr(config, nested) if nested else config


def settings(task: str, model_type: str, count: int = 3) -> Iterator[Setting]:
    """The type's defaults at toy size, then settings of its other options that it can run.

    An option that transformers itself can't build or run is left out, each by itself.
    """
    chosen = model_class(task, model_type)
    base = build_config(task, model_type, {})
    yield Setting(task, model_type, 0, base, chosen, {})
    found = options(model_type, fields(base))
    for index in range(1, count):
        changes = setting(found, index, model_type)
        merged = merged_change(changes)
        if not runs(task, model_type, merged):
            merged = {}
            for change in changes:
                together = merged_change((merged, change))
                if runs(task, model_type, together):
                    merged = together
        yield Setting(
            task, model_type, index, build_config(task, model_type, merged), chosen, merged
        )


def merged_change(changes: Iterable[Change]) -> Change:
    """All of them at once; dictionaries are nested configurations, and merge too."""
    merged: Change = {}
    for change in changes:
        for name, value in change.items():
            inner = merged.get(name)
            if isinstance(inner, dict) and isinstance(value, dict) and name != "rope_parameters":
                merged[name] = {**inner, **value}
            else:
                merged[name] = value
    return merged


def runs(task: str, model_type: str, change: Change) -> bool:
    """Whether transformers builds this configuration and gets finite logits from it."""
    try:
        config = build_config(task, model_type, change)
        trial = Setting(task, model_type, -1, config, model_class(task, model_type), change)
        model = randomised(trial, seed=0, gain=1.0)
        with torch.no_grad():
            logits = reference_logits(model, example(trial, LENGTHS[1]))
    except Exception:  # whatever it raises, the setting is not one of this type's
        return False
    return bool(torch.isfinite(logits).all())


def tiny_model(chosen: Setting) -> Any:
    """The reference: eager attention, evaluation mode, float32, drawn weights.

    Weights are drawn again where a change of 2e-5 in all of them moves the logits by more than
    20 times that: some router was near a tie, or rounding would be all that a comparison sees.
    """
    for seed, gain in DRAWS:
        model = randomised(chosen, seed, gain)
        if amplification(model, example(chosen, LENGTHS[1])) <= 20:
            break
    return model


def randomised(chosen: Setting, seed: int, gain: float) -> Any:
    """The model with all weights drawn anew, and saved buffers that are more than one number."""
    torch.manual_seed(seed)
    attention = ATTENTION.get(chosen.model_type, "eager")
    model = chosen.model_class._from_config(chosen.config, attn_implementation=attention).eval()
    if chosen.model_type == "xmod":
        model.set_default_language("en_XX")
    for module in model.modules():
        if "Sinusoidal" in type(module).__name__:  # FSMT's can be trained, and is not
            module.requires_grad_(False)
    draw = torch.Generator().manual_seed(seed)
    embeddings = {
        id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)
    }
    saved = model.state_dict().keys()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                redraw(parameter, draw, gain, 0.3 if id(parameter) in embeddings else None)
        for name, buffer in model.named_buffers():
            drawn = name in saved and buffer.dim() and buffer.is_floating_point()
            if drawn and is_constant(buffer):
                redraw(buffer, draw, gain, None)
                if name.endswith("running_var"):
                    buffer.abs_().add_(0.1)
    return model


def is_constant(tensor: torch.Tensor) -> bool:
    return bool((tensor == tensor.flatten()[0]).all()) if tensor.numel() else False


def redraw(tensor: torch.Tensor, draw: torch.Generator, gain: float, std: float | None) -> None:
    """Vectors and constants move by 0.2 about where they start; matrices keep the inputs' size."""
    noise = torch.randn(tensor.shape, generator=draw)
    if tensor.ndim < 2 or is_constant(tensor):
        centre = torch.nan_to_num(tensor, nan=0.0, posinf=0.0, neginf=0.0)
        centre = torch.where(centre.abs() > 10, 0.0, centre)
        tensor.copy_(centre + 0.2 * noise)
        return
    inputs = math.prod(tensor.shape[1:]) if tensor.ndim == 4 else tensor.shape[-1]
    tensor.copy_(noise * gain * (std or 1 / math.sqrt(inputs)))


def amplification(model: Any, case: Example) -> float:
    """How much more the logits change than the weights, relatively, where these change by 2e-5.

    Up and down: what is near a tie flips one way or the other.
    """
    return max(_amplification(model, case, step) for step in (2e-5, -2e-5))


def _amplification(model: Any, case: Example, step: float) -> float:
    with torch.no_grad():
        before = reference_logits(model, case)
        draw = torch.Generator().manual_seed(1)
        kept = [parameter.clone() for parameter in model.parameters()]
        for parameter in model.parameters():
            parameter.mul_(1 + step * torch.randn(parameter.shape, generator=draw))
        after = reference_logits(model, case)
        for parameter, value in zip(model.parameters(), kept, strict=True):
            parameter.copy_(value)
    return float((after - before).abs().max() / before.abs().max()) / abs(step)


def example(chosen: Setting, length: int) -> Example:
    """Two rows of drawn inputs; tokens avoid every special one."""
    draw = torch.Generator().manual_seed(length)
    config = chosen.config
    if chosen.task == "image-classification":
        size = config_value(config, "image_size", 32)
        size = size if isinstance(size, int) else size[0]
        channels = config_value(config, "num_channels", 3)
        rows = BATCH if length == LENGTHS[0] else BATCH + 1
        images = torch.randn(rows, channels, size, size, generator=draw)
        return Example({"pixel_values": images}, torch.randint(0, 7, (rows,), generator=draw))
    tokens = drawn_tokens(config, length, draw)
    if chosen.task in WHOLE:
        inputs, of_words = given_texts(config, tokens), chosen.task == "tagging"
        told = tokens.shape if of_words else (BATCH,)
        targets = torch.randint(0, CLASSES, told, generator=draw)
        if of_words:
            targets[inputs["attention_mask"] == 0] = -100
        return Example(inputs, targets)
    targets = tokens.roll(-1, 1)
    targets[:, :2] = -100
    if chosen.task == "causal-lm" or not config.is_encoder_decoder:
        return Example({"input_ids": tokens}, targets)
    source = drawn_tokens(config, min(length + 4, CONTEXT - 8), draw)
    if chosen.task == "masked-lm":  # the decoder writes the source out again
        source, targets = tokens, tokens.clone()
        tokens = tokens.roll(1, 1)
    return Example({"input_ids": source, "decoder_input_ids": tokens}, targets)


def config_value(config: Any, name: str, default: Any) -> Any:
    """A field of the configuration, or of the one for images within it."""
    for place in (config, getattr(config, "vision_config", None)):
        if getattr(place, name, None) is not None:
            return getattr(place, name)
    return default


def drawn_tokens(config: Any, length: int, draw: torch.Generator) -> torch.Tensor:
    values = vars(config.get_text_config()) | vars(config)  # an audio token is one of the whole
    size = min(size for name, size in values.items() if VOCABULARIES.fullmatch(name) and size)
    special = special_tokens(config)
    usable = torch.tensor([token for token in range(size) if token not in special])
    return usable[torch.randint(0, len(usable), (BATCH, length), generator=draw)]


def special_tokens(config: Any) -> set[int]:
    """Those that a configuration gives a meaning."""
    values = vars(config.get_text_config()) | vars(config)  # an audio token is one of the whole
    named = [value for name, value in values.items() if name.endswith(("_id", "_index"))]
    each = [one for value in named for one in (value if isinstance(value, list) else [value])]
    size = max(size for name, size in values.items() if VOCABULARIES.fullmatch(name) and size)
    return {one for one in each if type(one) is int and 0 <= one < size}


def reference_logits(model: Any, case: Example) -> torch.Tensor:
    # FSMT is not causal while it fills a cache; an encoder-decoder's logits need none.
    cached = {"use_cache": False} if "decoder_input_ids" in case.inputs else {}
    return made_there(model(**case.inputs, **cached), case.inputs)


def reference_gradients(model: Any, logits: torch.Tensor, case: Example) -> float:
    """Leaves the gradients of the mean cross entropy in the model; returns the loss."""
    model.zero_grad(set_to_none=True)
    targets = case.targets.flatten()
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, -2).float(), targets)
    torch.autograd.backward(loss)
    return float(loss)
