"""One setting of one model type through tgen, beside transformers: same weights, same figures?

The reference is saved with save_pretrained, imported, rendered and loaded as `tgen import` does it,
all in memory; then logits, gradients of the loss and cached decoding are compared.
"""

from __future__ import annotations

import copy
import inspect
import json
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.coverage_back import (
    loaded_there,
    read_unread,
    ropes,
    written_here,
    written_there,
)
from benchmarks.coverage_layers import first_difference
from benchmarks.coverage_spellings import (
    Fields,
    config_there,
    difference,
    rope_in,
    spellings,
    unusual,
)
from benchmarks.coverage_steadiness import own_movement
from benchmarks.coverage_texts import made_here
from benchmarks.coverage_types import ATTENTION
from benchmarks.tiny_models import (
    LENGTHS,
    Example,
    Setting,
    example,
    reference_gradients,
    reference_logits,
    special_tokens,
    tiny_model,
)
from codegen.commands.read_model import loaded, read_model, unformatted
from codegen.errors import TgenError
from codegen.importers.convert import imported
from codegen.importers.tensors import open_tensors, weight_files

TOLERANCE = 1e-5  # of the largest logit, and of the largest gradient in the model
DECODING = 1e-4  # of the largest logit
RUN = ("old spelling", "old spelling, without rope_theta", "without rope_parameters")
SHOWN = 6  # of each kind of finding


@dataclass
class Verdict:
    """What came of one setting; `reason` is empty where it passed."""

    setting: str
    changed: dict[str, Any]
    reason: str = ""
    findings: list[str] = field(default_factory=list)
    logits: list[float] = field(default_factory=list)
    gradients: float | None = None
    decoding: float | None = None
    spellings: int = 0  # of the config, each read as transformers reads it
    back: float | None = None
    written: int = 0  # tokens of greedy text
    model_py: str = ""  # as rendered, not formatted
    shown: str = ""  # what was imported, and what it came to
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.reason

    def fail(self, reason: str, findings: list[str] | None = None) -> None:
        """Notes what is wrong; the first reason is the one that tables show."""
        self.reason = self.reason or reason
        self.findings += [reason, *(findings or [])]


def compare(chosen: Setting) -> Verdict:
    """The verdict on one setting. Raises nothing that comes of the setting."""
    verdict = Verdict(chosen.name, chosen.changed)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tgen-coverage-") as folder:
        try:
            measure(chosen, Path(folder), verdict)
        except TgenError as error:
            lines = [str(finding) for finding in error.diagnostics]
            verdict.fail(error.diagnostics[0].message, lines)
        except Exception as error:  # of the reference, the importer or the model: all are findings
            verdict.fail(f"{type(error).__name__}: {str(error).strip()[:300]}", [where(error)])
    verdict.seconds = time.perf_counter() - start
    return verdict


def where(error: BaseException) -> str:
    """The last line of ours or of the generated code that an error came through."""
    at, found = error.__traceback__, ""
    while at is not None:
        path = at.tb_frame.f_code.co_filename
        if "site-packages" not in path and "/lib/python" not in path:
            found = f"{Path(path).name}:{at.tb_lineno} in {at.tb_frame.f_code.co_name}"
        at = at.tb_next
    return f"at {found}"


def measure(chosen: Setting, folder: Path, verdict: Verdict) -> None:
    """Everything up to the first thing that makes the rest pointless."""
    chosen.config.architectures = [chosen.model_class.__name__]
    reference = tiny_model(chosen)
    reference.save_pretrained(folder)
    verdict.shown = (folder / "config.json").read_text(encoding="utf-8")
    tensors = open_tensors(weight_files(folder))
    verdict.shown += "\n" + "\n".join(tensor_names(tensors)) + "\n"
    read = read_model(folder)
    verdict.shown += "\n" + read.text
    files = unformatted(read)
    verdict.model_py = files["model.py"]
    with imported(files) as package:
        ours = package.model.Model(package.model.Config()).eval()
        try:
            package.weights.load_huggingface(ours, tensors)
        except ValueError as error:
            verdict.fail("weights: " + str(error), str(error).split("; "))
            return
        cases = [example(chosen, length) for length in LENGTHS]
        ignored = read.plan.checkpoint.ignored if read.plan.checkpoint else ()
        if unread := list(read_unread(reference, tensors, ignored, cases[0])):
            verdict.fail(f"weights: passes over {unread[0]}, which transformers reads", unread)
        logits = None
        for case in cases:
            wanted = reference_logits(reference, case)
            logits = compare_logits(ours, reference, wanted, case, verdict)
        if verdict.passed and chosen.task != "embedding":  # whose loss is of our own making
            compare_gradients(chosen, ours, reference, wanted, cases[-1], package, folder, verdict)
        # XLM's one class of language models is an encoder, which decodes nothing.
        decodes = chosen.task == "causal-lm" and chosen.model_type != "xlm"
        if logits is not None and (decodes or hasattr(ours, "new_cache")):
            if not ropes(chosen.config.to_dict()) & {"dynamic", "longrope"}:
                compare_decoding(ours, logits, cases[-1], verdict)
            compare_written(ours, reference, cases[-1], verdict)
        compare_way_back(chosen, package, ours, wanted, cases[-1], folder / "back", verdict)
    compare_spellings(chosen, reference, cases[0], folder, verdict)


def tensor_names(tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """Each tensor with its shape; those of several layers in one line."""
    found: dict[str, list[str]] = {}
    for name, tensor in tensors.items():
        layer = re.search(r"(?<=\.)\d+(?=\.)", name)
        pattern = re.sub(r"(?<=\.)\d+(?=\.)", "{layer}", name, count=1)
        found.setdefault(f"{pattern} {list(tensor.shape)}", []).append(layer[0] if layer else "")
    return [f"{name}  {' '.join(layers)}".rstrip() for name, layers in found.items()]


def compare_logits(
    ours: Any, reference: Any, wanted: torch.Tensor, case: Example, verdict: Verdict
) -> torch.Tensor | None:
    """Our logits; what differs goes into the verdict."""
    with torch.no_grad():
        logits = made_here(ours, case.inputs)
    if logits.shape != wanted.shape:
        verdict.fail(f"logits have shape {list(logits.shape)}, not {list(wanted.shape)}")
        return None
    different = relative(logits, wanted)
    verdict.logits.append(different)
    if not different <= TOLERANCE:
        verdict.fail(
            f"logits differ by {different:.1e} of the largest, for {case}",
            first_difference(ours, reference, case) if len(case.inputs) == 1 else [],
        )
    return logits


def relative(values: torch.Tensor, wanted: torch.Tensor) -> float:
    """max|difference| / max|wanted|."""
    return float((values - wanted).abs().max() / wanted.abs().max())


def compare_gradients(
    chosen: Setting,
    ours: Any,
    reference: Any,
    wanted: torch.Tensor,
    case: Example,
    package: Any,
    folder: Path,
    verdict: Verdict,
) -> None:
    """Gradients of the mean loss, carried over by the same mapping as the weights."""
    theirs = reference_gradients(reference, wanted, case)
    ours.zero_grad(set_to_none=True)
    loss = made_here(ours, case.inputs, case.targets)
    if not abs(float(loss) - theirs) <= TOLERANCE * abs(theirs):
        verdict.fail(f"the loss is {float(loss):.6f}, not {theirs:.6f}")
    torch.autograd.backward(loss)
    save_gradients(chosen, reference, folder / "gradients")
    holder = copy.deepcopy(ours)
    package.weights.load_huggingface(holder, gradients_there(package, folder / "gradients"))
    found = []
    largest = max(float(p.grad.abs().max()) for p in reference.parameters() if p.grad is not None)
    for (name, parameter), place in zip(ours.named_parameters(), holder.parameters(), strict=True):
        given = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        difference = (given - place.detach())[~place.detach().isnan()]
        if difference.numel():
            found.append((float(difference.abs().max()) / largest, name))
    found.sort(reverse=True)
    verdict.gradients = found[0][0]
    calm = verdict.gradients <= TOLERANCE
    if not calm and not verdict.gradients <= own_movement(reference, case):
        wrong = [f"{name}: {value:.1e}" for value, name in found[:SHOWN] if value > TOLERANCE]
        reason = f"gradients differ by {verdict.gradients:.1e} of the largest"
        verdict.fail(f"{reason}, most in {found[0][1]}", wrong)


def save_gradients(chosen: Setting, reference: Any, folder: Path) -> None:
    """The reference's gradients as a checkpoint; NaN stands where it learns nothing."""
    held = [*reference.parameters(), *reference.buffers()]
    kept = [tensor.detach().clone() for tensor in held]
    saved = reference.state_dict().keys()
    with torch.no_grad():
        for parameter in reference.parameters():
            if parameter.grad is not None:
                parameter.copy_(parameter.grad)
            elif parameter.requires_grad:
                parameter.zero_()
            else:
                parameter.fill_(torch.nan)
        for name, buffer in reference.named_buffers():
            if name in saved and buffer.is_floating_point():
                buffer.fill_(torch.nan)
        reference.save_pretrained(folder)
        for tensor, value in zip(held, kept, strict=True):
            tensor.copy_(value)


def gradients_there(package: Any, folder: Path) -> dict[str, torch.Tensor]:
    """Those saved, but of what our model computes or has as a number."""
    computed = getattr(package.weights, "COMPUTED", ())
    fixed = tuple(name.rpartition("}")[2] for name in getattr(package.weights, "FIXED", ()))
    tensors = open_tensors(weight_files(folder))
    return {name: tensors[name] for name in tensors if not name.endswith((*fixed, *computed, "\0"))}


def compare_decoding(ours: Any, logits: torch.Tensor, case: Example, verdict: Verdict) -> None:
    """A prompt of a third of the tokens, then a token at a time, against the full forward."""
    *source, tokens = case.inputs.values()
    batch, time = tokens.shape
    start = time // 3
    with torch.no_grad():
        cache = ours.new_cache(batch, time)
        made = [ours.prefill(*source, tokens[:, :start], cache)]
        made += [ours.decode(tokens[:, at], cache) for at in range(start, time)]
    verdict.decoding = relative(torch.stack(made, 1), logits[:, start - 1 :])
    if not verdict.decoding <= DECODING:
        verdict.fail(f"cached decoding differs by {verdict.decoding:.1e} from the full forward")


def compare_written(ours: Any, reference: Any, case: Example, verdict: Verdict) -> None:
    """Greedy text, token by token."""
    special = special_tokens(reference.config)
    theirs, made = written_there(reference, case, special), written_here(ours, case, special)
    if made.shape != theirs.shape or not torch.equal(made, theirs):
        verdict.fail(f"greedy text is {made[0].tolist()}, not {theirs[0].tolist()}")
    verdict.written = made.size(1)


def compare_way_back(
    chosen: Setting,
    package: Any,
    ours: Any,
    wanted: torch.Tensor,
    case: Example,
    folder: Path,
    verdict: Verdict,
) -> None:
    """The logits of what transformers loads from the weights that we save."""
    there, odd = loaded_there(chosen, package.weights.save_huggingface(ours), folder)
    if odd:
        verdict.fail(f"way back: {odd[0]}", odd)
    with torch.no_grad():
        verdict.back = relative(reference_logits(there, case), wanted.detach())
    if not verdict.back <= TOLERANCE:
        verdict.fail(f"way back: logits differ by {verdict.back:.1e} of the largest")


def compare_spellings(
    chosen: Setting, reference: Any, case: Example, folder: Path, verdict: Verdict
) -> None:
    """Other spellings of config.json, by what transformers' class says, some by logits too."""
    whole = unusual(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    for name, fields in spellings(whole):
        verdict.spellings += 1
        if different := difference(fields, whole):
            verdict.fail(f"config, {name}: {different}")
        elif name in RUN and (there := model_there(chosen, fields, whole, reference)):
            other = folder / name
            other.mkdir()
            (other / "config.json").write_text(json.dumps(fields), encoding="utf-8")
            with loaded(read_model(other)) as package, torch.no_grad():
                ours = package.model.Model(package.model.Config()).eval()
                package.weights.load_huggingface(ours, open_tensors(weight_files(folder)))
                logits = made_here(ours, case.inputs)
                off = relative(logits, reference_logits(there, case))
            if not off <= TOLERANCE:
                verdict.fail(f"config, {name}: logits differ by {off:.1e} of the largest")


def model_there(chosen: Setting, fields: Fields, whole: Fields, reference: Any) -> Any:
    """The reference's weights under transformers' reading of a config; None if that is no other."""
    try:
        now = config_there(fields)
        if rope_in(now.to_dict()) == rope_in(config_there(whole).to_dict()):
            return None
        attention = ATTENTION.get(chosen.model_type, "eager")
        model = chosen.model_class._from_config(now, attn_implementation=attention).eval()
    except Exception:  # no config, or no model, to transformers
        return None
    model.load_state_dict(reference.state_dict())
    return model


def lines_there(model_class: Any) -> int:
    """Lines of the file in which transformers has this model."""
    path = inspect.getsourcefile(model_class)
    return len(Path(path).read_text(encoding="utf-8").splitlines()) if path else 0
