"""An IPAM plug-in that speaks 1.1.0, STATUS and GC included: Debian's host-local knows 1.0.0 only.

Configured as host-local is. An address that is given is a link called by it, which leads to `CONTAINER INTERFACE`: made
at once or not at all.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from ipaddress import ip_network
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

VERSIONS = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]
VALID = "cni.dev/valid-attachments"


class Failure(Exception):
    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code, self.msg = code, msg


class Addresses:
    """Those of one network, which nobody else changes meanwhile."""

    def __init__(self, network: str) -> None:
        self.folder = f"/var/lib/cni/stub/{network}"
        os.makedirs(self.folder, exist_ok=True)
        fcntl.flock(os.open(self.folder, os.O_RDONLY), fcntl.LOCK_EX)

    def given(self) -> dict[str, str]:
        return {name: os.readlink(f"{self.folder}/{name}") for name in os.listdir(self.folder)}

    def free(self, subnet: str) -> str:
        # The first is the gateway's; of a range of IPv6 as many as anybody may want here.
        hosts, given = islice(ip_network(subnet).hosts(), 1, 1000), self.given()
        found = next((str(each) for each in hosts if str(each) not in given), None)
        if found is None:
            raise Failure(101, f"no address of {subnet} is free")
        return found

    def give(self, subnet: str, key: str) -> str:
        address = self.free(subnet)
        os.symlink(key, f"{self.folder}/{address}")
        return address

    def take_back(self, keys: set[str]) -> None:
        for address, key in self.given().items():
            if key in keys:
                os.unlink(f"{self.folder}/{address}")


def subnets_of(conf: dict[str, Any]) -> list[str]:
    return [each[0]["subnet"] for each in conf["ipam"]["ranges"]]


def version(conf: dict[str, Any], _: str) -> dict[str, Any]:
    return {"cniVersion": conf.get("cniVersion", "1.1.0"), "supportedVersions": VERSIONS}


def delete(conf: dict[str, Any], key: str) -> None:
    Addresses(conf["name"]).take_back({key})


def check(conf: dict[str, Any], key: str) -> None:
    held, wanted = [*Addresses(conf["name"]).given().values()].count(key), len(subnets_of(conf))
    if held != wanted:
        raise Failure(102, f"{key} has {held} addresses; expected {wanted}")


def status(conf: dict[str, Any], _: str) -> None:
    addresses = Addresses(conf["name"])
    try:
        list(map(addresses.free, subnets_of(conf)))
    except Failure as failure:
        raise Failure(50, failure.msg) from None


def collect(conf: dict[str, Any], _: str) -> None:
    if VALID in conf:
        addresses = Addresses(conf["name"])
        valid = {f"{each['containerID']} {each['ifname']}" for each in conf[VALID]}
        addresses.take_back({*addresses.given().values()} - valid)


def add(conf: dict[str, Any], key: str) -> dict[str, Any]:
    addresses, subnets = Addresses(conf["name"]), subnets_of(conf)
    try:
        given = [(subnet, addresses.give(subnet, key)) for subnet in subnets]
    except Failure:
        addresses.take_back({key})
        raise
    ips = [
        {
            **({"version": "6" if ":" in subnet else "4"} if conf["cniVersion"].startswith("0.") else {}),
            "address": f"{address}/{ip_network(subnet).prefixlen}",
            "gateway": str(ip_network(subnet)[1]),
        }
        for subnet, address in given
    ]
    return {"cniVersion": conf["cniVersion"], "ips": ips, "routes": conf["ipam"].get("routes", []), "dns": {}}


COMMANDS: dict[str, Callable[[dict[str, Any], str], dict[str, Any] | None]] = {
    "ADD": add,
    "CHECK": check,
    "DEL": delete,
    "GC": collect,
    "STATUS": status,
    "VERSION": version,
}


def main() -> int:
    conf = json.load(sys.stdin)
    key = f"{os.environ.get('CNI_CONTAINERID')} {os.environ.get('CNI_IFNAME')}"
    try:
        said = COMMANDS[os.environ["CNI_COMMAND"]](conf, key)
    except Failure as failure:
        print(json.dumps({"cniVersion": conf.get("cniVersion"), "code": failure.code, "msg": failure.msg}))
        return 1
    if said is not None:
        print(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
