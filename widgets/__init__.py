"""What a person sees. Computes nothing, imports no torch."""
