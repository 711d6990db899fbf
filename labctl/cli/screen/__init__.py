"""How lessons, plans, runs and reports look, on a terminal and in a pipe: the only place that knows Rich."""
