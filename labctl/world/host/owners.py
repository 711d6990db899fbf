"""Whose something looks that was there before the lab: told by names, chains and comments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.model.baseline import Baseline

_SIGNS = tuple(
    (owner, re.compile(pattern))
    for owner, pattern in (
        ("flannel's", r"(?i)flannel"),
        ("Docker's", r"(?i)\bdocker|\bbr-[0-9a-f]{12}\b"),
        ("libvirt's", r"\bvirbr|LIBVIRT|\bvnet\d"),
        ("podman's", r"(?i)podman|NETAVARK|\bCNI-"),
        ("Calico's", r"(?i)calico|\bcali[0-9a-f]|\bcali-"),
        ("Cilium's", r"(?i)cilium|\blxc[0-9a-f]{8,}"),
        ("Weave's", r"(?i)\bweave"),
        ("the kubelet's or kube-proxy's", r"\bKUBE-|kubernetes|kube-"),
        ("firewalld's", r"\b(?:FWD|IN|POST|PRE)(?:DI|DO)?_\w|firewalld"),
        ("ufw's", r"\bufw6?-"),
        ("NetworkManager's", r"\bnm-|NetworkManager"),
    )
)
# Who makes a bridge of that name without a name of his own on it.
_MAKERS_OF_BRIDGES = ("flannel's", "podman's", "the kubelet's or kube-proxy's")


def whose(words: Iterable[str], baseline: Baseline) -> str:
    """Name the owner that something's own words show, or, for a CNI plug-in's, what else was there; empty if none."""
    text = " ".join(words)
    for owner, sign in _SIGNS:
        if sign.search(text):
            return owner
    if re.search(r"\bcni\d|\bveth|10\.244\.", text):
        around = _around(baseline)
        return next((owner for owner, sign in _SIGNS if owner in _MAKERS_OF_BRIDGES and sign.search(around)), "")
    return ""


def _around(baseline: Baseline) -> str:
    """The names of all that was there: links, chains, files."""
    chains = (chain for _, table in baseline.tables for chain, _ in table.policies)
    return " ".join((*(link.name for link in baseline.links), *chains, *(path for path, _ in baseline.files)))
