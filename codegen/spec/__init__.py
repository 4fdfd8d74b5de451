"""Stage 1: YAML text -> Spec."""

from codegen.spec.load import LoadedSpec, Spec, load_spec, load_text, parse_override

__all__ = ["LoadedSpec", "Spec", "load_spec", "load_text", "parse_override"]
