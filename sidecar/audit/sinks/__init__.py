"""Where records are forwarded to: one module for each kind of system that collects logs."""
