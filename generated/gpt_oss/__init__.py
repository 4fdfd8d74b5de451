# Made from specs/gpt_oss.yaml; make it again: tgen build specs/gpt_oss.yaml
"""gpt_oss: a decoder-only transformer with 24 layers and 20.9 B parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
