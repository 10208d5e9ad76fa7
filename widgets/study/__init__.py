"""Learning curves, searches and flattened sets."""
