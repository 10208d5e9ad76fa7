"""Icons, examples and the scripts that make them."""
