"""Masks as ranges, as code and in words."""
