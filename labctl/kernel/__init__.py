"""The only package that touches the machine: processes, sockets, namespaces, netlink."""
