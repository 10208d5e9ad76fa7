"""Training of linear ACE."""
