"""The FCHL19 representation."""
