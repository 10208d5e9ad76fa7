"""Training of sGDML: data, kernel matrix, solvers, files."""
