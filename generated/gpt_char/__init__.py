# Made from specs/gpt_char.yaml (2bfe1b4b63f7); make it again: tgen build specs/gpt_char.yaml
"""gpt_char: a decoder-only transformer with 4 layers and 804 k parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
