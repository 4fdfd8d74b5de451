"""What a mistake in a spec may be meant to say: read where a spec is wrong, else never."""
