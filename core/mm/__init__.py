"""Molecular mechanics: atom types, parameters, terms. Mathematics that the MM force fields share."""
