"""A checkpoint folder -> the text of a spec and its plan, in memory.

Many models may be read in one process (a tiny one takes some 0.1 s):

    read = read_model(folder)                  # CheckpointError or SpecError says why not
    with loaded(read) as package:              # package.model, package.weights, package.checkpoint
        ours = package.model.Model(package.model.Config())
        package.weights.load_huggingface(ours, open_tensors(weight_files(folder)))

`read.text` is the spec, `read.plan` its plan; `unformatted(read)` gives the files, which
`imported` takes in place of `loaded(read)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from codegen.errors import CheckpointError, Diagnostic, Position, SpecError
from codegen.frozen import frozen
from codegen.importers.config import Config, read_config
from codegen.importers.convert import ImportedPackage, imported
from codegen.importers.image_processor import Reading, read_processor
from codegen.importers.mapping import Mapping as Mapped
from codegen.importers.mapping import deep, other_heads, read_mapping
from codegen.importers.network_text import network_text
from codegen.importers.sentences import read_sentences
from codegen.importers.spec_text import spec_text
from codegen.importers.tensors import has_weights
from codegen.importers.translate import Translated, mapping_for, translate
from codegen.plan import Plan, lower
from codegen.quoting import short
from codegen.spec import load_text
from codegen.spec.checks import check_name
from codegen.spec.yaml.source import Key, Span, parse

MOST_BLAMED = 3  # fields in a message
PRUNED = ("model.py", "attention.py", "ops.py", "kernels.py")


@frozen
class ReadModel:
    """What a config.json comes to: the text of a spec, and its plan."""

    name: str
    model_type: str
    config: Config
    text: str
    plan: Plan
    passed_over: tuple[str, ...] = ()  # fields of the config that no code of the type reads
    remarks: tuple[str, ...] = ()  # of how pictures are read there, and not here


def read_model(
    folder: Path,
    name: str | None = None,
    specs: str = "specs",
    *,
    pairs: bool = False,
    part: str = "",
) -> ReadModel:
    """The spec of a config.json and its plan. Nothing is written, torch is not imported.

    `specs` is the folder of specs as the spec's own path shows it. A classifier of `pairs` reads
    two texts together, which no config says; of two models in one, `part` is text or images.
    CheckpointError says what of the config can't be imported, at its place in the file.
    """
    config = read_config(folder)
    sentences = read_sentences(folder)
    mapping = mapping_for(config, part)
    model_type = str(config.fields["model_type"])
    if sentences is not None:
        mapping = embedding_of(model_type, mapping)
    name = default_name(f"{model_type}_{part}" if part else model_type) if name is None else name
    refuse_name(name)
    weighted = folder.is_dir() and has_weights(folder)
    translated = with_sentences(translate(config, mapping, weights=weighted), sentences)
    if pairs:
        translated = of_pairs(translated)
    reading = reading_of(translated, folder, model_type)
    translated = with_reading(translated, reading)
    where = folder if folder.is_dir() else folder.parent
    seen = "vision" if mapping.within == "vision_config" else "text"
    whose = f"the {seen} model of " if mapping.within else ""
    comment = f"{whose}{model_type}, from config.json of {short(where.resolve().name)}"
    write = network_text if translated.spec.get("family") == "network" else spec_text
    text = write(name, translated.spec, comment)
    path = f"{specs}/{name}.yaml"
    try:
        plan = lower(load_text(text, path))
    except SpecError as error:
        raise _explained(error, text, path, translated) from None
    remarks = reading.remarks if reading else ()
    return ReadModel(name, model_type, config, text, plan, translated.passed_over, remarks)


def embedding_of(model_type: str, mapping: Mapped) -> Mapped:
    """The mapping of a type's embedding; CheckpointError if there is none."""
    if mapping.name.endswith(".embedding"):
        return mapping
    name = f"{model_type}.embedding"
    if name not in other_heads(model_type):
        raise CheckpointError(f"{model_type} is known, but not as an embedding of texts")
    return read_mapping(name)


def with_sentences(translated: Translated, sentences: dict[str, Any] | None) -> Translated:
    """The spec with what sentence-transformers says of it; no text is longer than the model."""
    if sentences is None:
        return translated
    spec = dict(deep(translated.spec, sentences))
    data, head = dict(spec.get("data", {})), dict(spec["model"].get("head", {}))
    length = data.get("context_length")
    if length and length >= spec["model"].get("context_length", length):
        del data["context_length"]
    if head.get("dim") == spec["model"].get("d_model"):
        del head["dim"]
    spec = {**spec, "data": data, "model": {**spec["model"], "head": head}}
    return replace(translated, spec={key: part for key, part in spec.items() if part != {}})


def reading_of(translated: Translated, folder: Path, model_type: str) -> Reading | None:
    """How a classifier's pictures are read, and what the spec can't say of it."""
    if translated.spec.get("task") != "image-classification":
        return None
    reading, image = read_processor(folder, model_type), translated.spec["model"]["image"]
    side = image.get("size")
    if reading is None or translated.spec.get("family") == "network" or reading.side in (0, side):
        return reading
    remark = f"there, pictures are made {reading.side} pixels wide; the model's images are {side}"
    return replace(reading, remarks=(*reading.remarks, remark))


def with_reading(translated: Translated, reading: Reading | None) -> Translated:
    """The spec with how pictures are read; a network's images are as large as they are there."""
    if reading is None:
        return translated
    spec: dict[str, Any] = {"data": reading.data} if reading.data else {}
    if reading.side and translated.spec.get("family") == "network":
        spec["model"] = {"image": {"size": reading.side}}
    return replace(translated, spec=dict(deep(translated.spec, spec)))


def of_pairs(translated: Translated) -> Translated:
    """The spec of a classifier of two texts that are read together."""
    spec = translated.spec
    task = spec.get("task", "causal-lm")  # what a spec needn't say
    if task != "sequence-classification":
        message = f"--pairs is for classifiers of texts, and this is of the task {task}"
        raise CheckpointError(message)
    return replace(translated, spec=dict(deep(spec, {"data": {"pair": "pair"}})))


def refuse_name(name: str) -> None:
    """CheckpointError if no package can be called so."""
    for problem in check_name(name):
        raise CheckpointError(problem.message, problem.hint or "choose another with --name")


def default_name(model_type: str) -> str:
    """A package's name for a model type: `xlm-roberta` is xlm_roberta; `codegen` is taken."""
    name = re.sub(r"\W+", "_", model_type.lower())
    return f"{name}_model" if any(check_name(name)) else name


def _explained(error: SpecError, text: str, path: str, translated: Translated) -> CheckpointError:
    """What is wrong with a spec that is never written, in terms of the fields that led to it."""
    config = translated.config
    try:
        spans = parse(text, path).spans
    except SpecError:  # it is what can't be read
        spans = {}
    findings = []
    for finding in error.diagnostics:
        message = translated.in_fields(finding.message)
        origin = translated.origin(_key_at(finding.position, spans))
        blamed = origin | set(re.findall(r"\w+", message))
        fields = [name for name in config.fields if name in blamed][:MOST_BLAMED]
        said = ", ".join(translated.said(name) for name in fields) or config.path
        where = config.position(fields[0]) if fields else None
        findings.append(Diagnostic(f"{said}: {message}", where, severity=finding.severity))
    return CheckpointError(findings)


def _key_at(at: Position | None, spans: Mapping[Key, Span]) -> Key:
    """The entry of a spec that a place is in: the last that begins at it or before it."""
    if at is None:
        return ()
    starts = [
        ((place.line, place.column), key)
        for key, span in spans.items()
        for place in (span.key, span.value)
        if place and (place.line, place.column) <= (at.line, at.column)
    ]
    return max(starts, default=((0, 0), ()))[1]


def unformatted(model: ReadModel) -> dict[str, str]:
    """The files that computing needs (model, weights, ...), whole, pruned, but not formatted.

    `codegen.refine.format_files` formats the files of many models at once, with one ruff.
    """
    from codegen.refine import prune_package
    from codegen.render import package_roots, render_package

    plan = model.plan
    pruned = prune_package(render_package(plan, only=PRUNED), package_roots(plan))
    whole = ("weights.py", "checkpoint.py", "digests.py", "process.py")
    return {**pruned, **render_package(plan, only=whole)}


@contextmanager
def loaded(model: ReadModel) -> Iterator[ImportedPackage]:
    """The modules of the package, to use inside the `with`; nothing stays on the disk."""
    with imported(unformatted(model)) as package:
        yield package
