"""Where the lab lives: what a sandbox is made of, and how it comes and goes."""
