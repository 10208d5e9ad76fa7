"""Distances, angles and dihedrals of many geometries at once (numpy; light enough for a view)."""
