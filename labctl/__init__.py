"""labctl: rebuild Kubernetes networking by hand, step by step, in a world of your own."""

__version__ = "0.1.0"
