"""Parts of the data panel."""
