# Made from specs/gpt_char.yaml; make it again: tgen build specs/gpt_char.yaml
"""gpt_char: a decoder-only transformer with 4 layers and 804 k parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
