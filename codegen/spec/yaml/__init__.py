"""Text -> one tree with positions: YAML, `extends`, `variants`, overrides, versions."""
