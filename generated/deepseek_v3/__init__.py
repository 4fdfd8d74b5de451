# Made from specs/deepseek_v3.yaml; make it again: tgen build specs/deepseek_v3.yaml
"""deepseek_v3: a decoder-only transformer with 61 layers and 671 B parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
