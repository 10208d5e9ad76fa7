"""Batched motion: constrained relaxation, dihedral scans, Langevin and constant-energy dynamics.

Needs torch. It fills in the Result types of core.analyses, whose modules import this room only
inside `run`, in a worker.
"""
