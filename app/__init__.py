"""Starts the program and wires window, engine and project together; the command line lives here."""
