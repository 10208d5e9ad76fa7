"""The refit beside the parameter editor."""
