"""The parameter editor."""
