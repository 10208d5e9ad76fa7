"""Save and load one `@wire` record as one .npz without pickles, atomically."""
