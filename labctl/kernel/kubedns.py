"""The cluster's nameserver: answers from the entries of a folder, over UDP and TCP, at one address and port.

Run as `kubedns --dns-port=10053 --services=FOLDER --pods=10.244.0.0/16`; a forwarder stands before it. It holds no
state: what it answers is what the folder holds when it is asked. Exits with 1 and a line on stderr if it cannot listen.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import struct
import sys
from ipaddress import IPv4Network
from time import monotonic
from typing import TYPE_CHECKING

from labctl.kernel.dns_wire import MOST_TCP, respond
from labctl.kernel.services_folder import ServicesFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

_CALLERS = 64  # connected at once; one more, and the oldest is hung up on
_PATIENCE = 5.0  # seconds that a connection may last in all
_BURST = 64  # questions taken from the socket before others have their turn
_LENGTH = struct.Struct("!H")  # before each message on TCP (RFC 1035, section 4.2.2)


class Caller:
    """A TCP connection: until when it may last, what came so far, and what is still to be sent."""

    def __init__(self, sock: socket.socket) -> None:
        """Its time runs from now on."""
        self.sock = sock
        self.end = monotonic() + _PATIENCE
        self.heard = bytearray()
        self.unsent = bytearray()


class Nameserver:
    """Both sockets and all callers, in one thread; nothing in it blocks but the wait for the next event."""

    def __init__(self, folder: ServicesFolder, address: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the address is not this host's, or the port is taken.
        """
        self._folder = folder
        self._selector = selectors.DefaultSelector()
        self._callers: dict[int, Caller] = {}  # by file descriptor, the oldest first
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for sock in (self._udp, self._tcp):
            sock.bind((address, port))
            self._selector.register(sock, selectors.EVENT_READ)
        self._tcp.listen(_CALLERS)

    def run(self) -> None:
        """Answer until killed."""
        while True:
            oldest = next(iter(self._callers.values()), None)
            for key, _ in self._selector.select(max(0.0, oldest.end - monotonic()) if oldest else None):
                if key.fileobj is self._udp:
                    self._answer_udp()
                elif key.fileobj is self._tcp:
                    self._accept()
                elif caller := self._callers.get(key.fd):  # or else: hung up on a moment ago
                    self._attend(caller)
            for caller in list(self._callers.values()):
                if caller.end > monotonic():
                    break
                self._hang_up(caller)

    def _answer_udp(self) -> None:
        zone = self._folder.zone()
        for _ in range(_BURST):
            try:
                question, address = self._udp.recvfrom(MOST_TCP)
                answer = respond(zone, question)
                if answer is not None:
                    self._udp.sendto(answer, address)
            except OSError:  # nothing more has come, or who asked has gone: the next one is a matter of its own
                return

    def _accept(self) -> None:
        try:
            sock, _ = self._tcp.accept()
        except OSError:  # the caller has gone already
            return
        if len(self._callers) >= _CALLERS:
            self._hang_up(next(iter(self._callers.values())))
        sock.settimeout(0)
        self._callers[sock.fileno()] = Caller(sock)
        self._selector.register(sock, selectors.EVENT_READ)

    def _attend(self, caller: Caller) -> None:
        """Send what is still to be sent; else read on. Who reads nothing is asked nothing more."""
        try:
            if not caller.unsent:
                heard = caller.sock.recv(MOST_TCP)
                if not heard:
                    self._hang_up(caller)
                    return
                caller.heard += heard
                self._take_questions(caller)
            if caller.unsent:
                del caller.unsent[: caller.sock.send(caller.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._hang_up(caller)
            return
        events = selectors.EVENT_WRITE if caller.unsent else selectors.EVENT_READ
        self._selector.modify(caller.sock, events)

    def _take_questions(self, caller: Caller) -> None:
        """Answer each whole message; what is none gets its connection closed."""
        while len(caller.heard) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(caller.heard)
            end = _LENGTH.size + length
            if len(caller.heard) < end:
                return
            answer = respond(self._folder.zone(), bytes(caller.heard[_LENGTH.size : end]), over_tcp=True)
            del caller.heard[:end]
            if answer is None:
                raise ConnectionAbortedError
            caller.unsent += _LENGTH.pack(len(answer)) + answer

    def _hang_up(self, caller: Caller) -> None:
        del self._callers[caller.sock.fileno()]
        self._selector.unregister(caller.sock)
        caller.sock.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="kubedns", description="The nameserver of the lab's cluster.")
    parser.add_argument("--dns-bind-address", default="127.0.0.1", metavar="ADDRESS")
    parser.add_argument("--dns-port", type=int, default=10053, metavar="PORT")
    parser.add_argument("--services", required=True, metavar="FOLDER", help="one file a Service: SERVICE.NAMESPACE")
    parser.add_argument("--pods", type=IPv4Network, required=True, metavar="RANGE", help="the addresses of all pods")
    told = parser.parse_args(arguments)
    try:
        server = Nameserver(ServicesFolder(told.services, told.pods), told.dns_bind_address, told.dns_port)
    except (OSError, OverflowError) as error:
        sys.exit(f"kubedns cannot listen at {told.dns_bind_address} port {told.dns_port}: {error}")
    server.run()


if __name__ == "__main__":
    main()
