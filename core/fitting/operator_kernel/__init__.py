"""Training of kernel models of energies and forces on atomic environments."""
