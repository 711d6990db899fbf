"""The rules by which a node sends connections to Services on to their endpoints, as kube-proxy writes them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from labctl.errors import CannotTell, KernelRefused
from labctl.model.resource import Absent, Present, Seen, Unknown
from labctl.model.store import reserved_address
from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.lab import Container, Lab, Node
    from labctl.model.ports import Kernel
    from labctl.model.service import Service
    from labctl.model.service_chains import Portal, Rules
    from labctl.model.shell import Dialect, Shell
    from labctl.resources.service_reading.judge import Where
    from labctl.resources.service_reading.remove import Removal

    Texts = dict[str, dict[str, list[str]]]

_MOST_NAMED = 3


class ServiceRules(Value):
    """A set of Services on one node. `shared`: with the chains that the rules of all Services hang on.

    Whatever rules do the job count; other chains and rules stay. All is loaded by one `iptables-restore --noflush`.
    """

    lab: Lab
    node: Node
    services: tuple[Service, ...]
    shared: bool = False

    @property
    def key(self) -> str:
        """`services:master/mystuff/my-svc`."""
        return f"services:{self.node.name}/{','.join(service.key for service in self.services)}"

    def observe(self, kernel: Kernel) -> Seen:
        """Compare line by line; where that does not fit, follow the first packets of connections through the rules."""
        from labctl.model.iptables_save import split_save
        from labctl.resources.service_reading.exact import is_exact

        portals, unknown = self._find_portals(kernel)
        if unknown:
            return Absent(f"no address is reserved for {', '.join(unknown)}")
        try:
            texts = split_save(kernel.firewall(self.node.name).saved())
            if is_exact(self._wanted(portals), portals, texts):
                return Present()
            return self._judge(kernel, portals, texts)
        except (KernelRefused, CannotTell) as error:
            return Unknown(error.what, error.hint)

    def _judge(self, kernel: Kernel, portals: tuple[Portal, ...], texts: Texts) -> Seen:
        from labctl.resources.service_reading.judge import Judge

        judge = Judge(self._where(kernel, portals), texts)
        problems = [problem for portal in portals for problem in judge.problems(portal)]
        if not problems:
            return Present(note=f"other rules than kube-proxy's do it on {self.node.name}")
        if not any(self._find(kernel, portals, texts).values()):
            return Absent(f"no rule of {self.node.name} is about {', '.join(service.key for service in self.services)}")
        return Present(tuple(f"on {self.node.name}, {problem}" for problem in problems[:_MOST_NAMED]))

    def apply(self, kernel: Kernel) -> None:
        """Load them; what is there in their place goes in the same transaction."""
        from labctl.model.iptables_save import split_save
        from labctl.resources.service_reading.spell import spell_load

        portals, _ = self._find_portals(kernel)
        firewall = kernel.firewall(self.node.name)
        texts = split_save(firewall.saved())
        removals = self._find(kernel, portals, texts)
        firewall.restore(spell_load(self._wanted(portals), removals, texts, shared=self.shared))

    def revert(self, kernel: Kernel) -> None:
        """Take away what serves them, whoever made it; shared chains too, unless somebody else's Service needs them."""
        from labctl.model.iptables_save import split_save
        from labctl.resources.service_reading.spell import spell_removal

        portals, _ = self._find_portals(kernel)
        firewall = kernel.firewall(self.node.name)
        removals = self._find(kernel, portals, split_save(firewall.saved()))
        if any(removals.values()):
            firewall.restore(spell_removal(removals))

    def shell(self, dialect: Dialect) -> Shell:
        """`iptables-restore` reads it from a here-document; addresses and chains' names are worked out before."""
        del dialect  # both say it alike
        from labctl.resources.service_shell import spell_shell

        return spell_shell(self.lab, self.node, self.services, shared=self.shared)

    @cached_property
    def _endpoints(self) -> tuple[Container, ...]:
        """Each once, for many Services may have the same."""
        return tuple(dict.fromkeys(each for service in self.services for each in service.endpoints))

    @cached_property
    def _worked_out(self) -> dict[object, Any]:
        """What was worked out of the same addresses before: with 5,000 Services a plan need not do it twice."""
        return {}

    def _wanted(self, portals: tuple[Portal, ...]) -> dict[str, tuple[Rules, Rules]]:
        from labctl.resources.service_reading.spell import wanted_rules

        if self._worked_out.get("portals") is not portals:
            self._worked_out.update(portals=portals, rules=wanted_rules(portals, str(self.lab.cluster_range)))
        rules: dict[str, tuple[Rules, Rules]] = self._worked_out["rules"]
        return rules

    def _find_portals(self, kernel: Kernel) -> tuple[tuple[Portal, ...], tuple[str, ...]]:
        """The portals, with the addresses that are reserved for the endpoints; and for whom none is."""
        from labctl.model.service_chains import make_portals

        found = {each: reserved_address(kernel, each, self.lab.network) for each in self._endpoints}
        known = {each: address for each, address in found.items() if address}
        key = tuple(found.values())
        if key not in self._worked_out:
            self._worked_out[key] = make_portals(self.services, known)
        return self._worked_out[key], tuple(each.name for each in found if each not in known)

    def _where(self, kernel: Kernel, portals: tuple[Portal, ...]) -> Where:
        from labctl.resources.service_reading.judge import Where

        here = [each for each in self._endpoints if each.node == self.node.name]
        pods = {reserved_address(kernel, each, self.lab.network): each.name for each in here}
        taken = {backend.address for portal in portals for backend in portal.backends}
        hosts = (str(self.node.pod_range[-number]) for number in range(2, self.node.pod_range.num_addresses))
        return Where(
            self.node.name,
            str(self.node.address),
            self.lab.bridge,
            next((each for each in hosts if each not in taken), str(self.node.pod_range[-2])),
            str(self.lab.internet),
            {address: name for address, name in pods.items() if address},
        )

    def _find(self, kernel: Kernel, portals: tuple[Portal, ...], texts: Texts) -> dict[str, Removal]:
        """What there is that serves them, by table."""
        from labctl.resources.service_reading.remove import Search

        return Search(self._where(kernel, portals), portals, self.shared, texts).find()
