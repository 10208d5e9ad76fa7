"""Molecular mechanics: atom types, parameters, terms; mathematics the MM force fields share."""
