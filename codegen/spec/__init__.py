"""Stage 1: YAML text -> Spec."""

from codegen.spec.head import SpecHead as Spec
from codegen.spec.load import (
    BrokenVariant,
    LoadedSpec,
    load_spec,
    load_specs,
    load_text,
    parsed_overrides,
)
from codegen.spec.yaml.merging import parse_override

__all__ = [
    "BrokenVariant",
    "LoadedSpec",
    "Spec",
    "load_spec",
    "load_specs",
    "load_text",
    "parse_override",
    "parsed_overrides",
]
