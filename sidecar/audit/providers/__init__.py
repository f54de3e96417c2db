"""Key providers outside the process: each wraps the keys of segments under a key that never leaves it."""
