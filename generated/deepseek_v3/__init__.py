# Made from specs/deepseek_v3.yaml (4c23e33dcf7f); make it again: tgen build specs/deepseek_v3.yaml
"""deepseek_v3: a decoder-only transformer with 61 layers and 671 B parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
