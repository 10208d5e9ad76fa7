"""The form of the training panel."""
