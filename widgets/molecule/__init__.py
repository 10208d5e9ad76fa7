"""The molecule view."""
