"""`tgen prune`: a trained model -> a smaller one: spec, package, and weights cut to fit."""

from __future__ import annotations

from codegen.commands.pruning.prune import Cut, Pruned, write_pruned

__all__ = ["Cut", "Pruned", "write_pruned"]
