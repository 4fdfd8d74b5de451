# Made from specs/sentiment.yaml; make it again: tgen build specs/sentiment.yaml
"""sentiment: a transformer that classifies texts with 4 layers and 876 k parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
