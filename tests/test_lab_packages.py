"""The launcher `lab`: it installs what the system lacks, or prints the one command that does."""

import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lab_checkout import TOOLS, Checkout, make_checkout, write_program

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

# For each package manager: how it installs, and what `ip iptables … unshare` and Python are called there.
MANAGERS = {
    "apt-get": (
        "apt-get install -y --no-install-recommends",
        "iproute2 iptables bridge-utils nmap iputils-ping nftables jq util-linux dnsmasq-base openssl",
        "python3-venv",
        "python3.11-venv",
    ),
    "dnf": (
        "dnf install -y",
        "iproute iptables-nft bridge-utils nmap iputils nftables jq util-linux dnsmasq openssl",
        "python3",
        "python3.11",
    ),
    "pacman": (
        "pacman -S --needed --noconfirm",
        "iproute2 iptables bridge-utils nmap iputils nftables jq util-linux dnsmasq openssl",
        "python",
        "python",
    ),
    "apk": (
        "apk add --no-cache",
        "iproute2 iptables bridge-utils nmap iputils nftables jq util-linux dnsmasq openssl",
        "python3",
        "python3",
    ),
    "zypper": (
        "zypper --non-interactive install --no-recommends",
        "iproute2 iptables bridge-utils nmap iputils nftables jq util-linux dnsmasq openssl",
        "python3",
        "python311",
    ),
}
REFRESH = {"apt-get": "apt-get update", "pacman": "pacman -Sy"}
APT_WAITS = " -o DPkg::Lock::Timeout=120"

# In place of a package manager: records, talks, reads, and puts in place what the test laid ready; fails if told to.
MANAGER = """
echo "${0##*/} $*" >>"$CALLS"
echo "so much to say"
cat
base=${CALLS%/*}
case " $* " in
    *" update "* | *" -Sy "*) rm -f "$base/lists are old" ;;
    *) [ ! -e "$base/lists are old" ] || exit 100 ;;
esac
if [ -e "$base/unknown package" ]; then
    unknown=$(cat "$base/unknown package")
    case " $* " in *" $unknown "*) exit 100 ;; esac
fi
for ready in "$base"/ready/*; do [ ! -e "$ready" ] || mv "$ready" "$base/programs/"; done
"""

SUDO = """
echo "sudo $*" >>"$CALLS"
case $1 in
    -n) shift && [ -e "${CALLS%/*}/sudo needs no password" ] || exit 1 ;;
esac
case $1 in
    true | -v) exit 0 ;;
esac
exec "$@"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A machine without a package manager, on which nobody is root."""
    checkout = make_checkout(tmp_path)
    (tmp_path / "ready").mkdir()
    become(checkout, 1000)
    return checkout


def become(checkout: Checkout, user: int) -> None:
    (checkout.programs / "id").unlink()
    write_program(checkout.programs / "id", f"echo {user}")


def add_manager(checkout: Checkout, name: str) -> None:
    write_program(checkout.programs / name, MANAGER)


def take_away(checkout: Checkout, *tools: str) -> None:
    """Uninstall tools; the package manager has them."""
    for tool in tools:
        (checkout.programs / tool).rename(checkout.base / "ready" / tool)


def take_python_away(checkout: Checkout) -> None:
    """Uninstall Python; the package manager has it, and puts it among the programs."""
    (checkout.system / "python3.11").rename(checkout.base / "ready" / "python3.11")


# --- as root: it just does it ---


@pytest.mark.parametrize("manager", MANAGERS)
def test_root_installs_all_that_is_missing_at_once(checkout: Checkout, manager: str) -> None:
    become(checkout, 0)
    add_manager(checkout, manager)
    take_away(checkout, *TOOLS)
    take_python_away(checkout)
    command, tools, python, _ = MANAGERS[manager]
    answer = checkout.run(text="for labctl")
    assert (answer.code, answer.report["input"]) == (7, "for labctl")
    assert f"lab: missing: python3-venv {' '.join(TOOLS)}\n" in answer.err
    assert f"lab: installing with {manager}: {python} {tools}\n" in answer.err
    assert checkout.calls(manager) == [f"{command} {python} {tools}" + (APT_WAITS if manager == "apt-get" else "")]
    assert checkout.run().err == ""


@pytest.mark.parametrize("manager", REFRESH)
def test_old_package_lists_are_refreshed_when_the_first_try_fails(checkout: Checkout, manager: str) -> None:
    become(checkout, 0)
    add_manager(checkout, manager)
    take_away(checkout, "jq")
    (checkout.base / "lists are old").touch()
    assert "still missing" not in checkout.run().err
    waits = APT_WAITS if manager == "apt-get" else ""
    install = f"{MANAGERS[manager][0]} jq{waits}"
    assert checkout.calls(manager) == [install, f"{REFRESH[manager]}{waits}", install]


def test_a_package_that_does_not_exist_does_not_spoil_the_others(checkout: Checkout) -> None:
    become(checkout, 0)
    add_manager(checkout, "dnf")
    take_away(checkout, "jq")
    (checkout.programs / "brctl").unlink()
    (checkout.base / "unknown package").write_text("bridge-utils")
    answer = checkout.run()
    assert answer.code == 7
    assert "lab: still missing: brctl\nhint: dnf install -y bridge-utils\n" in answer.err
    assert (checkout.programs / "jq").exists()


@pytest.mark.parametrize("manager", MANAGERS)
def test_where_python_is_too_old_a_newer_one_is_asked_for(checkout: Checkout, manager: str) -> None:
    become(checkout, 0)
    add_manager(checkout, manager)
    take_python_away(checkout)
    write_program(checkout.system / "python3", "exit 3")  # what the question for the version is answered with
    assert checkout.run().code == 7
    assert checkout.calls(manager)[0].split()[-3 if manager == "apt-get" else -1] == MANAGERS[manager][3]


# --- as an ordinary user: by sudo, or not at all ---


@pytest.mark.parametrize("manager", MANAGERS)
def test_without_sudo_the_one_command_is_printed_once_and_labctl_runs(checkout: Checkout, manager: str) -> None:
    add_manager(checkout, manager)
    take_away(checkout, "brctl", "nmap")
    command = f"{MANAGERS[manager][0]} bridge-utils nmap"
    if manager in REFRESH:
        command = f"{REFRESH[manager]} && {command}"
    answer = checkout.run()
    assert answer.code == 7
    assert f"lab: missing: brctl nmap\nhint: su -c '{command}'\n" in answer.err
    assert checkout.calls(manager) == []
    assert checkout.run().err == ""
    (checkout.programs / "jq").unlink()
    assert "lab: missing: brctl nmap jq\n" in checkout.run().err


def test_where_sudo_needs_a_password_and_there_is_no_terminal_the_command_is_printed(checkout: Checkout) -> None:
    add_manager(checkout, "apt-get")
    write_program(checkout.programs / "sudo", SUDO)
    take_away(checkout, "jq")
    answer = checkout.run()
    hint = "hint: sudo apt-get update && sudo apt-get install -y --no-install-recommends jq\n"
    assert f"lab: missing: jq\n{hint}" in answer.err
    assert (answer.code, checkout.calls("apt-get")) == (7, [])


def test_sudo_that_needs_no_password_is_used(checkout: Checkout) -> None:
    add_manager(checkout, "apt-get")
    write_program(checkout.programs / "sudo", SUDO)
    (checkout.base / "sudo needs no password").touch()
    take_away(checkout, "jq")
    assert "still missing" not in checkout.run().err
    install = f"apt-get install -y --no-install-recommends jq{APT_WAITS}"
    assert checkout.calls()[:3] == [
        "sudo -n true",
        f"sudo -n env DEBIAN_FRONTEND=noninteractive {install}",
        install,
    ]


def test_at_a_terminal_sudo_may_ask(checkout: Checkout) -> None:
    add_manager(checkout, "zypper")
    write_program(checkout.programs / "sudo", SUDO)
    take_away(checkout, "jq")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [checkout.root / "lab"], env=checkout.variables, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs
    ) as lab:
        os.write(ours, b"\x04")  # an end of input, for labctl
        lab.communicate()
    os.close(ours)
    os.close(theirs)
    assert lab.returncode == 7
    assert checkout.calls("sudo") == [
        "sudo -n true",
        "sudo -v",
        "sudo zypper --non-interactive install --no-recommends jq",
    ]


def test_without_a_package_manager_the_missing_are_named(checkout: Checkout) -> None:
    (checkout.programs / "nft").unlink()
    answer = checkout.run()
    hint = "hint: install, with the package manager of this distribution: nftables\n"
    assert f"lab: missing: nft\n{hint}" in answer.err
    assert answer.code == 7


# --- no Python ---


@pytest.mark.parametrize("manager", MANAGERS)
def test_without_python_there_is_an_error_and_the_command_that_installs_it(checkout: Checkout, manager: str) -> None:
    add_manager(checkout, manager)
    take_python_away(checkout)
    answer = checkout.run()
    assert (answer.code, answer.out) == (5, "")
    missing, error, hint = answer.err.splitlines()
    assert missing == "lab: missing: python3-venv"
    assert error == "error: there is no Python 3.11 or newer with venv and ensurepip here"
    assert hint.startswith("hint: su -c '")
    assert hint.endswith(f"{MANAGERS[manager][0]} {MANAGERS[manager][2]}'")
    assert not checkout.environment.exists()


def test_a_python_without_venv_does_not_count(checkout: Checkout) -> None:
    write_program(checkout.system / "python3.11", "exit 1")
    assert checkout.run().code == 5


# --- where it looks ---


def test_tools_in_the_systems_own_folders_count_though_path_lacks_them(checkout: Checkout) -> None:
    for tool in TOOLS:
        (checkout.programs / tool).rename(checkout.system / tool)
    assert "missing" not in checkout.run().err


def test_an_applet_of_busybox_is_no_tool(checkout: Checkout) -> None:
    write_program(checkout.programs / "busybox", "")
    for tool in ("ip", "unshare"):
        (checkout.programs / tool).unlink()
        (checkout.programs / tool).symlink_to("busybox")
    assert "lab: missing: ip unshare\n" in checkout.run().err


def test_the_systems_python_is_preferred_to_one_that_only_this_user_has(checkout: Checkout) -> None:
    (checkout.system / "python3.11").rename(checkout.system / "python3")
    shutil.copy(checkout.system / "python3", checkout.programs / "python3.12")
    assert f"with {checkout.system / 'python3'} " in checkout.run().err
