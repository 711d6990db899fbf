"""A kubeconfig: its file, and the entries in it that are the lab's."""
