"""Sparse Gaussian processes on atomic environments."""
