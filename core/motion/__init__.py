"""Batched motion: constrained relaxation, dihedral scans, Langevin and constant-energy dynamics."""
