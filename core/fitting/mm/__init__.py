"""Refit of molecular-mechanics terms."""
