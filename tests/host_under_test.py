"""A throw-away machine that plays the real one: a node of a sandbox, in which labctl finds itself on a host.

The sandbox's vpc and internet are its surroundings; nothing of the machine that runs the tests is touched.
"""

from __future__ import annotations

import os
import pickle
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from labctl.engine.snapshot import take_node
from labctl.kernel import syscalls
from labctl.kernel.inside import join_place, join_world
from labctl.model.lab import Place
from tests.lab_under_test import LabUnderTest, labctl_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.model.values import Completed

T = TypeVar("T")

_PATH = "/root/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

HOME = Path("/var/lib/labctl")
# No trace of the sandbox: its own programs and the marker by which labctl knows that it is inside lie in /opt.
_BARE = """\
mkdir -p /run/old
mount --rbind /opt /run/old
mount -t tmpfs -o mode=755 labctl /opt
for each in /run/old/*; do
  case $each in */labctl|*/cni|'/run/old/*') continue ;; esac
  mkdir "/opt/${each##*/}"
  mount --rbind "$each" "/opt/${each##*/}"
done
umount -l /run/old
rmdir /run/old
rm -rf /run/labctl
mkdir -p /root/bin
"""
# What others have left on it: Docker, libvirt, flannel, NetworkManager and firewalld, by what they make.
OTHERS = """\
ip link add docker0 type bridge
ip addr add 172.17.0.1/16 brd 172.17.255.255 dev docker0
ip link set docker0 up
ip link add virbr0 type bridge
ip addr add 192.168.122.1/24 dev virbr0
ip link add flannel.1 type vxlan id 1 dstport 8472
ip addr add 10.9.0.0/32 dev flannel.1
ip link set flannel.1 up
ip route add 10.9.1.0/24 dev flannel.1 proto static metric 100
ip route add 192.168.77.0/24 via 10.128.0.1 dev eth0 onlink proto static
iptables-restore --noflush <<END
*filter
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:LIBVIRT_FWI - [0:0]
:FLANNEL-FWD - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -o virbr0 -j LIBVIRT_FWI
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A DOCKER-USER -j RETURN
-A LIBVIRT_FWI -d 192.168.122.0/24 -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A LIBVIRT_FWI -o virbr0 -j REJECT --reject-with icmp-port-unreachable
-A FLANNEL-FWD -s 10.9.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
*nat
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 10.9.0.0/16 ! -d 10.9.0.0/16 -m comment --comment "flanneld masq" -j MASQUERADE
COMMIT
END
nft -f - <<END
table inet firewalld {
  chain filter_FORWARD { type filter hook forward priority 10; policy accept; ct state established accept; }
}
table ip nm-shared-eth9 {
  chain nat_postrouting { type nat hook postrouting priority 100; ip saddr 10.42.0.0/24 masquerade; }
}
END
mkdir -p /etc/cni/net.d /var/lib/cni/networks/cbr0
echo '{"name": "cbr0"}' >/etc/cni/net.d/10-flannel.conflist
echo 10.9.0.2 >/var/lib/cni/networks/cbr0/last_reserved_ip.0
"""


# A cable to another node, so that the two are neighbours.
NEIGHBOURS = """\
ip link add eth1 type veth peer name eth1 netns {pid}
ip link set eth1 up
ip route add {other}/32 dev eth1
"""


class HostUnderTest:
    """One node of a lab as a machine of its own."""

    def __init__(self, around: LabUnderTest, node: str = "master") -> None:
        self.around, self.node = around, around.lab.node(node)
        # The machines of one sandbox see each other's processes, and a lab finds its own by its home.
        self.home = HOME if node == "master" else HOME.with_name(f"labctl-{node}")
        # What root's environment holds beside what labctl itself is told.
        self.settings: dict[str, str] = {}
        self.type(_BARE)

    def type(self, script: str) -> Completed:
        """Have root type lines on the machine, outside of any lab; they must work."""
        done = self.around.type(self.node.name, script)
        assert done.code == 0, done
        return done

    def pid_of(self, place: str) -> str:
        """The process that keeps another place of the surroundings."""
        return self.around.kernel.namespace_path(self.around.lab.place(place)).split("/")[2]

    def state(self) -> dict[str, object]:
        """All of the machine that counts: what the snapshot shows, what nft and the files say."""
        texts = self.type(
            "nft -s list ruleset inet; nft list tables | sort;"
            "! nft list tables | grep -q nm-shared || nft -s list table ip nm-shared-eth9; ip -o rule; ip netns;"
            "cd /proc/sys/net/ipv4; grep . ip_forward conf/*/forwarding conf/*/accept_redirects"
            " ../bridge/bridge-nf-call-iptables || true;"
            "for each in /var/lib/cni /etc/cni /opt /run; do"
            " [ ! -e $each ] ||"
            " find $each -type f ! -path '/run/netns/*' -exec md5sum {} + -o ! -type f -printf '%p\\n'; done"
        )
        return {"texts": texts.out.splitlines(), **take_node(self.around.kernel, self.around.lab, self.node)}

    def call(self, work: Callable[[], T]) -> T:
        """Do something as a process of that machine, root there; give what it gives."""
        reader, writer = os.pipe()
        middle = os.fork()
        if middle == 0:
            os.close(reader)
            self._become_one_of_it(work, writer)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            answer = pipe.read()
        os.waitpid(middle, 0)
        assert answer, "it died"
        fine, value = pickle.loads(answer)  # noqa: S301 (from our own fork)
        assert fine, value
        result: T = value
        return result

    def _become_one_of_it(self, work: Callable[[], object], writer: int) -> None:
        try:
            join_world(self.around.world.record)
            if (child := os.fork()) != 0:
                os.waitpid(child, 0)
                os._exit(0)
            join_place(self.around.world.record, Place(self.node.name))
            # As a labctl that was started there: joining closed this process to its like.
            syscalls.set_dumpable()
            os.environ.pop("LABCTL_HOME", None)
            os.environ |= {"LABCTL_WORLD": "host", "HOME": "/root"}
            answer = (True, work())
        except BaseException:  # noqa: BLE001 (a fork must not return into pytest)
            answer = (False, traceback.format_exc())
        try:
            os.write(writer, pickle.dumps(answer))
        finally:
            os._exit(0)

    def with_lab(self, work: Callable[[LabUnderTest], T]) -> T:
        """Make a host world on the machine, do something with it, and take it down."""

        def do() -> T:
            with LabUnderTest(self.home, kind="host") as lab:
                return work(lab)

        return self.call(do)

    def labctl(self, *arguments: str, code: int | None = 0, nobody: bool = False) -> Completed:
        """Run the command line there, as root types it, or as somebody who is not root; it must end with this code."""
        become = ("unshare", "--user") if nobody else ()
        environment = ("env", "LABCTL_WORLD=host", f"LABCTL_HOME={self.home}", "COLUMNS=200", f"PATH={_PATH}")
        settings = (f"{name}={value}" for name, value in self.settings.items())
        argv = (*become, *environment, *settings, *labctl_command(), *arguments)
        done = self.around.kernel.programs(self.node.place).run(argv)
        assert code in (None, done.code), done
        return done
