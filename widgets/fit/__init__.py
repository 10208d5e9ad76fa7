"""What is shown of a trained force field."""
