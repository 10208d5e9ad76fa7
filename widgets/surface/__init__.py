"""Maps and profiles."""
