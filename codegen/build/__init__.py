"""Specs -> packages: the stages, joined."""
