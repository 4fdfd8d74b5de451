# Made from specs/packed_documents.yaml (4a5f93fbb5d9); make it again with tgen build
"""packed_documents: a decoder-only transformer with 12 layers and 153 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
