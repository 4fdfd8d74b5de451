"""The commands' bodies, a file each."""
