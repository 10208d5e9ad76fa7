"""Bonds from a geometry, and which dihedrals make sense."""
