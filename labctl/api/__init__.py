"""The lab, served as Kubernetes objects: what is there is looked up in the kernel when it is asked for."""
