"""The Kubernetes namespaces of the lab."""

DEFAULT_NAMESPACE = "default"
"""Where what names none is."""
OWN_NAMESPACE = "mystuff"
"""The notes' own, in which the course's Service is."""
SYSTEM_NAMESPACE = "kube-system"
"""Where the components of the cluster are."""
