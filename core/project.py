"""A project on disk: a folder of records, versioned, safe against a kill at any moment."""
