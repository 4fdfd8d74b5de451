"""Models made smaller: what is computed then, and what it costs."""
