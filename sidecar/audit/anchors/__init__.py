"""Where checkpoints are kept out of reach of whoever could rewrite the log: one module for each kind of place."""
