"""Others' words for what a spec says: each leads to a field or a word that there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from codegen.errors import SpecError
from codegen.spec.families import FAMILIES, language
from codegen.spec.hints.devices import FOLDER, device_called
from codegen.spec.hints.fields import field_hint
from codegen.spec.hints.importers import RENAME
from codegen.spec.hints.of_every_spec import OF_EVERY_SPEC
from codegen.spec.hints.places import fields_at, is_field
from codegen.spec.load import load_text
from codegen.spec.masks.atoms import ATOMS
from codegen.spec.masks.synonyms import ELSEWHERE, POSITIONS
from codegen.spec.masks.tree import VARIABLES
from codegen.spec.network.layers import KINDS
from codegen.spec.network.synonyms import LAYERS
from codegen.spec.synonyms import Synonyms
from codegen.spec.yaml.field_names import fields_of

IMPORTERS = Path(__file__).parents[2] / "codegen/importers"
OF_LAYERS = ("layer", "of", "groups", "padding", "mode", "join", "task", "family", "augment")
NETWORK = "name: some_model\nfamily: network\ntask: image-classification\nmodel:\n  layers:\n"


def vocabularies(family: str) -> list[type[Any]]:
    spoken = [language(one) for one in families(family)]
    return [model for one in spoken for model in (one.whole, *map(one.spec, one.tasks))]


def table_of(family: str) -> Synonyms:
    """A family's own; of none in particular, what is said of every spec."""
    return language(family).synonyms if family else OF_EVERY_SPEC


def families(family: str) -> tuple[str, ...]:
    return (family,) if family else tuple(FAMILIES)


def everywhere(family: str) -> set[str]:
    """The last names of all fields that specs of a family may have."""
    names = {name for model in vocabularies(family) for name in fields_of(model)}
    layers = KINDS.values() if family in ("", "network", "gan") else ()
    return names | {
        field.alias or name for one in layers for name, field in one.model_fields.items()
    }


@pytest.mark.parametrize("family", ["", *FAMILIES])
def test_every_synonym_of_a_field_leads_to_a_field(family: str) -> None:
    shared = language("network").synonyms.fields if family == "gan" else {}
    for meant in [one for one in table_of(family).fields if one not in shared]:
        path = tuple(meant.partition(": ")[0].split("."))
        named = len(path) == 1 and path[0] in everywhere(family)
        assert named or any(is_field(model, path) for model in vocabularies(family)), meant


@pytest.mark.parametrize("family", ["", *FAMILIES])
def test_no_synonym_is_a_field_of_the_mapping_that_it_is_said_in(family: str) -> None:
    for meant, words in table_of(family).fields.items():
        *above, last = meant.partition(": ")[0].split(".")
        here = {
            name
            for model in vocabularies(family)
            if above
            for name in fields_at(model, tuple(above))
        }
        for word in words.split():
            assert word not in {*here, last}, f"{word} is a field beside {meant}"


@pytest.mark.parametrize("family", ["", *FAMILIES])
def test_every_mapping_in_a_synonym_is_one(family: str) -> None:
    table = table_of(family)
    known = everywhere(family) | {name for one in vocabularies(family) for name in one.model_fields}
    named = (
        word for words in (*table.fields.values(), *table.unsaid.values()) for word in words.split()
    )
    for word in named:
        for mapping in word.split(".")[:-1]:
            assert mapping in known or mapping in KINDS, word


def says(family: str, field: str, meant: str) -> Iterator[str]:
    """Specs with a word as the value of a field of this name, or with a mapping beside one."""
    said = yaml.safe_load(meant) if ": " in meant else {field: meant}
    kind = None if ": " in meant else {field: {"kind": meant}}
    for one in families(family):
        for task in language(one).tasks:
            for path in fields_of(language(one).spec(task)).get(field, ()):
                for above in range(len(path)) if ": " in meant else [len(path) - 1]:
                    for whole in filter(None, (said, kind)):
                        for step in reversed(path[:above]):
                            whole = {step: whole}
                        about = {"name": "a_model", "family": one, "task": task}
                        yield yaml.safe_dump({**about, **whole})


def is_sound(text: str) -> bool:
    """Whether every field and word is known; what else a spec needs is another matter."""
    try:
        load_text(text, "specs/some.yaml")
    except SpecError as error:
        wrong = {one.message.split(",")[0] for one in error.diagnostics}
        return not any(word.startswith(("expected", "unknown")) for word in wrong)
    return True


@pytest.mark.parametrize("family", ["", *FAMILIES])
def test_every_synonym_of_a_word_is_one_that_its_field_takes(family: str) -> None:
    for field, table in table_of(family).words.items():
        for meant in table if field not in OF_LAYERS else ():
            assert any(map(is_sound, says(family, field, meant))), f"{field}: {meant}"


@pytest.mark.parametrize("meant", LAYERS)
def test_every_synonym_of_a_layer_is_one(meant: str) -> None:
    said = yaml.safe_load(meant.replace("n}", "2}")) if ": " in meant else meant
    kind = next(iter(said)) if isinstance(said, dict) else said
    assert kind in KINDS
    if ": " in meant:
        load_text(NETWORK + f"    - {meant.replace('n}', '2}')}\n", "specs/some.yaml")


def test_every_synonym_of_a_mask_is_one() -> None:
    assert set(ELSEWHERE) <= set(ATOMS) and set(POSITIONS) == set(VARIABLES)


@pytest.mark.parametrize("family", ["", *FAMILIES])
def test_what_a_mere_number_stands_for_is_a_field(family: str) -> None:
    for mapping, field in table_of(family).mains.items():
        paths = [
            path for model in vocabularies(family) for path in fields_of(model).get(mapping, ())
        ]
        models = vocabularies(family)
        assert not paths or any(is_field(m, (*path, field)) for path in paths for m in models)


def renames() -> Iterator[tuple[str, str]]:
    """Each name of a config that a mapping file says a field by, as it is, and that field."""

    def leaves(said: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        if isinstance(said, dict):
            for name, value in said.items():
                yield from leaves(value, (*path, str(name)))
        elif isinstance(said, str) and (found := RENAME.fullmatch(said)):
            yield found[1], ".".join(path)

    for file in sorted((IMPORTERS / "huggingface").glob("*.yaml")):
        mapping = yaml.load(file.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        stored = set(mapping.get("defaults", {})) - set(mapping.get("let", {}))
        for name, field in leaves(mapping.get("spec", {}), ()):
            if name in stored:
                yield name, field


RENAMES: dict[str, set[str]] = {}
for _name, _field in renames():
    RENAMES.setdefault(_name, set()).add(_field)


@pytest.mark.parametrize("name", sorted(RENAMES))
def test_names_that_importers_read_as_a_field_lead_to_it(name: str) -> None:
    """In the spec of some task that has the field, the hint names it."""
    hints = []
    for field in RENAMES[name]:
        for family in FAMILIES:
            for task in language(family).tasks:
                model = language(family).spec(task)
                path = tuple(field.split("."))
                if not is_field(model, path) or name in fields_at(model, ("model",)):
                    continue
                hints.append(hint := field_hint(name, ("model",), ("model",), model))
                if any(re.search(rf"\b{one.split('.')[-1]}\b", hint) for one in RENAMES[name]):
                    return
    assert not hints, hints[0]


def test_every_gpu_whose_rates_are_known_is_found_by_its_name() -> None:
    for file in FOLDER.glob("*.yaml"):
        data = yaml.safe_load(file.read_bytes())
        for name in (*data["peak_bf16_flops"], *data.get("also_called", ())):
            for said in (name, name.lower(), f"NVIDIA {name}", name.replace(" ", "_")):
                assert device_called(said) == file.stem, said


@pytest.mark.parametrize(
    "name", ["v100", "t4", "mi250", "tpu", "h1000", "b300", "ampere", "nvidia", "gpu", "adafactor"]
)
def test_a_gpu_without_a_file_is_taken_for_no_other(name: str) -> None:
    assert device_called(name) is None


def test_every_synonym_of_a_task_or_a_family_is_one() -> None:
    tasks = {task for one in FAMILIES for task in language(one).tasks}
    assert set(OF_EVERY_SPEC.words["task"]) == tasks
    assert set(OF_EVERY_SPEC.words["family"]) == set(FAMILIES)
