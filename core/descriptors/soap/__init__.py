"""Smooth overlap of atomic positions."""
