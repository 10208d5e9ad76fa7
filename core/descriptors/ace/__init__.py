"""The basis of the atomic cluster expansion."""
