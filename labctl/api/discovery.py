"""What there is to ask for: the lists that kubectl reads before anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.api.kind import Json, Kind

_VERBS = ["get", "list", "watch"]


def core_versions(address: str) -> Json:
    """`/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(kinds: Sequence[Kind]) -> Json:
    """`/apis`."""
    groups = [_group(group, kinds) for group in _groups(kinds) if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def find(path: tuple[str, ...], kinds: Sequence[Kind]) -> Json | None:
    """A group, or one of its versions; None if there is nothing at this path."""
    match path:
        case ("api", version):
            return _resources("", version, kinds)
        case ("apis", group):
            return _one_group(group, kinds)
        case ("apis", group, version) if group:
            return _resources(group, version, kinds)
    return None


def _one_group(group: str, kinds: Sequence[Kind]) -> Json | None:
    """`/apis/GROUP`; None if there is no such group."""
    if not group or group not in _groups(kinds):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, kinds)}


def _resources(group: str, version: str, kinds: Sequence[Kind]) -> Json | None:
    """`/api/v1` and `/apis/GROUP/VERSION`; None if there is nothing in it."""
    found = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
    if not found:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": found[0].api_version,
        "resources": [_resource(kind) for kind in found],
    }


def aggregated(kinds: Sequence[Kind], *, core: bool) -> Json:
    """All of `/api`, or of `/apis`, in one answer (apidiscovery.k8s.io/v2)."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [_aggregated_group(group, kinds) for group in _groups(kinds) if (group == "") is core],
    }


def _groups(kinds: Sequence[Kind]) -> list[str]:
    return sorted({kind.group for kind in kinds})


def _versions(group: str, kinds: Sequence[Kind]) -> list[str]:
    return sorted({kind.version for kind in kinds if kind.group == group})


def _group(group: str, kinds: Sequence[Kind]) -> Json:
    versions = [{"groupVersion": f"{group}/{each}", "version": each} for each in _versions(group, kinds)]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _resource(kind: Kind) -> Json:
    return {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": _VERBS,
        **({"shortNames": list(kind.short_names)} if kind.short_names else {}),
        **({"categories": list(kind.categories)} if kind.categories else {}),
    }


def _aggregated_group(group: str, kinds: Sequence[Kind]) -> Json:
    versions = [
        {
            "version": version,
            "resources": [
                _aggregated_resource(kind) for kind in kinds if (kind.group, kind.version) == (group, version)
            ],
            "freshness": "Current",
        }
        for version in _versions(group, kinds)
    ]
    return {"metadata": {"name": group} if group else {}, "versions": versions}


def _aggregated_resource(kind: Kind) -> Json:
    return {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.name},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": _VERBS,
        **({"shortNames": list(kind.short_names)} if kind.short_names else {}),
        **({"categories": list(kind.categories)} if kind.categories else {}),
    }
