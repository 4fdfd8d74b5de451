"""The mask language: expressions over atoms, as formulas over edges."""
