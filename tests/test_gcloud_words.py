"""What the lab's gcloud says to a line that is wrong, and when it is asked for help.

The texts were printed by Google Cloud SDK 528.0.0, run against a service on the same machine. Where they name the lab
they are its own; where the service speaks, labctl/compute/service.py says where its words come from.
"""

from __future__ import annotations

import shlex

import pytest

from labctl.world.gcloud.client import Answer
from tests.gcloud_cloud import LINK, MASTER, NOTES, gcloud

RANGE = "--destination-range 10.9.0.0/24"
NO_RANGE = "compute routes create x --network k8s --next-hop-address 10.128.0.2"
CREATE = f"{NO_RANGE} {RANGE}"
LIST = "compute routes list"
HOPS = "--next-hop-address | --next-hop-gateway | --next-hop-ilb | --next-hop-instance | --next-hop-vpn-tunnel"
USAGE = """\
Usage: gcloud compute routes create NAME --destination-range=DESTINATION_RANGE \
(--next-hop-address=NEXT_HOP_ADDRESS | --next-hop-gateway=NEXT_HOP_GATEWAY | --next-hop-ilb=NEXT_HOP_ILB | \
--next-hop-instance=NEXT_HOP_INSTANCE | --next-hop-vpn-tunnel=NEXT_HOP_VPN_TUNNEL) [optional flags]
  optional flags may be  --description | --help | --network |
                         --next-hop-address | --next-hop-gateway |
                         --next-hop-ilb | --next-hop-ilb-region |
                         --next-hop-instance | --next-hop-instance-zone |
                         --next-hop-vpn-tunnel | --next-hop-vpn-tunnel-region |
                         --priority | --resource-manager-tags | --tags

For detailed information on this command and its flags, run:
  gcloud compute routes create --help
"""
USAGE_DELETE = """\
Usage: gcloud compute routes delete NAME [NAME ...] [optional flags]
  optional flags may be  --help

For detailed information on this command and its flags, run:
  gcloud compute routes delete --help
"""
USAGE_LIST = """\
Usage: gcloud compute routes list [NAME ...] [optional flags]
  optional flags may be  --filter | --help | --limit | --sort-by | --uri

For detailed information on this command and its flags, run:
  gcloud compute routes list --help
"""
COMMANDS = """\
Available commands for gcloud compute routes:

      create                  Create a new route.
      delete                  Delete routes.
      describe                Describe a route.
      list                    List non-dynamic Google Compute Engine routes.

For detailed information on this command and its flags, run:
  gcloud compute routes --help
"""
SEARCH = "To search the help text of gcloud commands, run:\n  gcloud help -- SEARCH_TERMS\n"
MAYBE = "Maybe you meant:\n" + "".join(
    f"  gcloud compute routes {x}\n" for x in ("create", "delete", "describe", "list")
)
LAB_ONLY = f"The lab's gcloud knows only 'gcloud compute routes' and 'gcloud compute networks'.\n{MAYBE}\n{SEARCH}"
CANNOT = "Cannot change the routing of packets destined for the network."
REGEX = "(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)"
REGEX_OR_ID = "[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?|[1-9][0-9]{0,19}"
CHOICES = "Valid choices are [critical, debug, error, info, none, warning].\n"

# line → the group or command that speaks, and what it says
BAD_LINES = {
    "creat": ("gcloud", f"Invalid choice: 'creat'.\n{LAB_ONLY}"),
    "container clusters list": ("gcloud", f"Invalid choice: 'container'.\n{LAB_ONLY}"),
    "compute instances list": ("gcloud.compute", f"Invalid choice: 'instances'.\n{LAB_ONLY}"),
    "compute routes": ("gcloud.compute.routes", f"Command name argument expected.\n\n{COMMANDS}"),
    "compute routes creat x": ("gcloud.compute.routes", f"Invalid choice: 'creat'.\n{MAYBE}\n{SEARCH}"),
    "compute --bogus routes list": ("gcloud.compute", f"unrecognized arguments: --bogus \n\n{SEARCH}"),
    f"{LIST} --limit many": (
        "gcloud.compute.routes.list",
        f"argument --limit: Value must be an integer; received: many\n{USAGE_LIST}",
    ),
    f"{LIST} --limit 0": (
        "gcloud.compute.routes.list",
        f"argument --limit: Value must be greater than or equal to 1; received: 0\n{USAGE_LIST}",
    ),
    f"{LIST} --bogus": ("gcloud.compute.routes.list", f"unrecognized arguments: --bogus \n\n{SEARCH}"),
    f"{LIST} --verbosity loud": (
        "gcloud.compute.routes.list",
        f"argument --verbosity: Invalid choice: 'loud'.\n\n{CHOICES}",
    ),
    "compute routes describe a b": ("gcloud.compute.routes.describe", f"unrecognized arguments: b \n\n{SEARCH}"),
    "compute routes delete": (
        "gcloud.compute.routes.delete",
        f"argument NAME [NAME ...]: Must be specified.\n{USAGE_DELETE}",
    ),
}
BAD_CREATES = {
    f"{CREATE} y": f"unrecognized arguments: y \n\n{SEARCH}",
    f"{NO_RANGE} y z": f"unrecognized arguments:\n  y\n  z\n  {SEARCH}",
    f"{CREATE} --prio=5": f"unrecognized arguments: --prio=5 (did you mean '--priority'?) \n\n{SEARCH}",
    "compute routes create": f"Exactly one of ({HOPS}) must be specified.\n{USAGE}",
    f"{CREATE} --next-hop-ilb i": f"argument --next-hop-address: Exactly one of ({HOPS}) must be specified.\n{USAGE}",
    NO_RANGE: f"argument --destination-range: Must be specified.\n{USAGE}",
    "compute routes create --next-hop-address 1": f"argument NAME --destination-range: Must be specified.\n{USAGE}",
    f"{NO_RANGE} --destination-range --quiet": f"argument --destination-range: expected one argument\n{USAGE}",
    f"{CREATE} --priority": f"argument --priority: expected one argument\n{USAGE}",
    f"{CREATE} --priority high": f"argument --priority: invalid int value: 'high'\n{USAGE}",
    f"{CREATE} --quiet=no": f"argument --quiet/-q: ignored explicit argument 'no'\n{USAGE}",
    f"{CREATE} --tags a": "argument --tags: the lab's vpc has no tags.\n",
    f"compute routes create x {RANGE} --next-hop-instance i": (
        "argument --next-hop-instance: the lab's vpc has only --next-hop-address.\n"
    ),
}
INVALID = {
    "--destination-range 10.9.0.1/24": ("destRange", "10.9.0.1/24", "Must be a CIDR address range."),
    "--destination-range 10.9.0.0": ("destRange", "10.9.0.0", "Must be a CIDR address range."),
    "--destination-range 10.9.0.0/33": ("destRange", "10.9.0.0/33", "Must be a CIDR address range."),
    "--destination-range 10.9.0.0/255.255.255.0": (
        "destRange",
        "10.9.0.0/255.255.255.0",
        "Must be a CIDR address range.",
    ),
    "--destination-range 10.128.0.0/20": (
        "destRange",
        "10.128.0.0/20",
        f"10.128.0.0/20 hides the address space of the network (10.128.0.0/20). {CANNOT}",
    ),
    "--next-hop-address 10.9.0.1": (
        "nextHopIp",
        "10.9.0.1",
        "Must be an address in the range of the network (10.128.0.0/20).",
    ),
    "--next-hop-address master": ("nextHopIp", "master", "Must be an IPv4 address."),
    "--priority 65536": ("priority", "65536", "Must be less than or equal to 65535."),
    "--priority -1": ("priority", "-1", "Must be greater than or equal to 0."),
}
REFUSED = {
    NOTES: "The resource 'projects/lab/global/routes/k8s-master' already exists",
    f"{CREATE} --network y": "The resource 'projects/lab/global/networks/y' was not found",
    f"{CREATE} --project other": "The resource 'projects/other' was not found",
    CREATE.replace(" x ", " X/y "): (
        f"Invalid value for field 'resource.name': 'X/y'. Must be a match of regex '{REGEX}'"
    ),
    "compute routes describe X": f"Invalid value for field 'route': 'X'. Must be a match of regex '{REGEX_OR_ID}'",
    "compute routes describe nope": "The resource 'projects/lab/global/routes/nope' was not found",
    "compute routes delete nope -q": "The resource 'projects/lab/global/routes/nope' was not found",
}


@pytest.mark.parametrize(("text", "speaker", "said"), [(text, *said) for text, said in BAD_LINES.items()])
def test_a_bad_line_ends_with_2(text: str, speaker: str, said: str) -> None:
    assert gcloud(text, MASTER) == (Answer(2, "", f"ERROR: ({speaker}) {said}"), (MASTER,))


@pytest.mark.parametrize(("text", "said"), BAD_CREATES.items())
def test_a_bad_create_ends_with_2(text: str, said: str) -> None:
    assert gcloud(text) == (Answer(2, "", f"ERROR: (gcloud.compute.routes.create) {said}"), ())


@pytest.mark.parametrize(("flag", "field", "value", "why"), [(flag, *why) for flag, why in INVALID.items()])
def test_an_invalid_value_ends_with_1(flag: str, field: str, value: str, why: str) -> None:
    said = f"Could not fetch resource:\n - Invalid value for field 'resource.{field}': '{value}'. {why}\n\n"
    done, routes = gcloud(f"{CREATE} {flag}")  # of a flag given twice, the last one counts
    assert (done, routes) == (Answer(1, "", f"ERROR: (gcloud.compute.routes.create) {said}"), ())


@pytest.mark.parametrize(("text", "why"), REFUSED.items())
def test_what_the_service_refuses_ends_with_1(text: str, why: str) -> None:
    said = f"ERROR: (gcloud.compute.routes.{text.split()[2]}) Could not fetch resource:\n - {why}\n\n"
    assert gcloud(text, MASTER) == (Answer(1, "", said), (MASTER,))
    assert gcloud(f"{text} --verbosity=none", MASTER)[0] == Answer(1)


def test_lists_have_their_own_words() -> None:
    speaker = "ERROR: (gcloud.compute.routes.list)"
    refused = f"{speaker} Some requests did not succeed:\n - "
    assert gcloud(f"{LIST} --project x")[0] == Answer(1, "", f"{refused}The resource 'projects/x' was not found\n\n")
    sent = 'netwrok eq ".*\\bk8s\\b.*"'
    said = f"Invalid value for field 'filter': '{sent}'. Invalid list filter expression."
    assert gcloud(f"{LIST} --filter netwrok=k8s")[0].err == f"{refused}{said}\n\n"
    assert gcloud(f"{LIST} --filter 'name~['")[0].err == f"{speaker} Invalid regular expression [name~[].\n"
    for text in ("name", "name=", "name=x)", "name=(x", "(name=x)", "name=x OR", "name=x name=y OR name=z"):
        done, _ = gcloud(f"{LIST} --filter {shlex.quote(text)}", MASTER)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(speaker)


@pytest.mark.parametrize(
    "form", ["bogus", "table", "value()", "value(name", "value(name,)", "value(a.b())", "multi(a)", "table[box](name)"]
)
def test_a_bad_format_shows_nothing(form: str) -> None:
    done, _ = gcloud(f"{LIST} --format '{form}'", MASTER)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("ERROR: (gcloud.compute.routes.list) ")


def test_a_bad_format_comes_after_the_route_as_in_the_real_one() -> None:
    done, routes = gcloud(f"{NOTES} --format table")
    like = "Use key parameters to specify a projection like so `table(foo, bar.baz)`"
    why = f"ERROR: (gcloud.compute.routes.create) Format [table] requires a non-empty projection. {like}\n"
    assert done == Answer(1, "", f"Created [{LINK}/routes/k8s-master].\n{why}")
    assert routes == (MASTER,)


def test_a_name_is_needed() -> None:
    assert gcloud("compute routes describe ''")[0].err == (
        "ERROR: (gcloud.compute.routes.describe) could not parse resource []\n"
    )


def test_help_version_and_configuration() -> None:
    for line in (
        "--help",
        "compute --help",
        "compute routes -h",
        "help",
        "help compute routes",
        "help -- no such thing",
        "compute --help x",
    ):
        done, _ = gcloud(line)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("NAME\n    gcloud")
        assert "the lab's gcloud" in done.out
    assert f"$ gcloud {NOTES}\n" in gcloud("compute routes create x --bogus --help")[0].out
    assert gcloud("compute routes create -h")[0] == Answer(0, USAGE)
    for line in ("version", "--version", "-v"):
        assert gcloud(line)[0].out.startswith("Google Cloud SDK ")
    assert gcloud("config list")[0] == Answer(
        0, "[core]\nproject = lab\n", "\nYour active configuration is: [default]\n"
    )
    assert gcloud("config get-value project")[0] == Answer(0, "lab\n")
    assert gcloud("config get compute/zone")[0].code == 1
