"""How a program turns a name that was typed into the names that it asks for: resolv.conf(5), as data."""

from __future__ import annotations

from labctl.model.naming import CLUSTER_DOMAIN
from labctl.model.value import Value

RESOLVER_FILE = "/etc/resolv.conf"
NETNS_FILES = "/etc/netns"
"""What lies in a folder of this one, named as a network namespace is, stands for the file of that name in /etc for
whoever is started in the namespace (ip-netns(8))."""
LOCAL_NAMESERVER = "127.0.0.1"
_MOST_SERVERS = 3


class ResolverConfiguration(Value):
    """Whom to ask, under which names, and how many dots make a name be asked for as it is before any other."""

    nameservers: tuple[str, ...] = (LOCAL_NAMESERVER,)
    search: tuple[str, ...] = ()
    ndots: int = 1

    def candidates(self, name: str) -> tuple[str, ...]:
        """The complete names that are asked for, in order; a final dot says that a name is complete."""
        if name.endswith("."):
            return (name,)
        longer = tuple(f"{name}.{domain}." for domain in self.search)
        return (f"{name}.", *longer) if name.count(".") >= self.ndots else (*longer, f"{name}.")


def read_resolver(text: str) -> ResolverConfiguration:
    """Read a file as the C library does: three nameservers at most, and the last `search` (or `domain`) counts."""
    servers: list[str] = []
    search: tuple[str, ...] = ()
    ndots = 1
    for line in text.splitlines():
        word, *rest = line.split() or ("",)
        if word == "nameserver" and rest:
            servers.append(rest[0])
        elif word in ("search", "domain"):
            search = tuple(each.rstrip(".") for each in rest)
        elif word == "options":
            given = [each.partition(":")[2] for each in rest if each.startswith("ndots:")]
            ndots = next((int(each) for each in given if each.isascii() and each.isdecimal()), ndots)
    return ResolverConfiguration(tuple(servers[:_MOST_SERVERS]) or (LOCAL_NAMESERVER,), search, min(ndots, 15))


def pod_resolver(namespace: str, nameserver: str) -> ResolverConfiguration:
    """What the kubelet writes for a pod (dnsPolicy ClusterFirst)."""
    domains = (f"{namespace}.svc.{CLUSTER_DOMAIN}", f"svc.{CLUSTER_DOMAIN}", CLUSTER_DOMAIN)
    return ResolverConfiguration((nameserver,), domains, 5)


def spell_resolver(configuration: ResolverConfiguration) -> str:
    """Write it as the kubelet does."""
    lines = [f"nameserver {each}" for each in configuration.nameservers]
    lines += [f"search {' '.join(configuration.search)}"] if configuration.search else []
    return "".join(f"{line}\n" for line in (*lines, f"options ndots:{configuration.ndots}"))


def resolver_path(container: str) -> str:
    """The file that is a container's own, on its node."""
    return f"{NETNS_FILES}/{container}/{RESOLVER_FILE.rpartition('/')[2]}"
