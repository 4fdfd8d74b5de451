"""preference: of two answers the one that is preferred."""
