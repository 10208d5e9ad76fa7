"""Fit of networks for bonded terms."""
