"""What is shown of a dynamics run."""
