"""Questions to nameservers from many places at once, side by side, over UDP."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from labctl.errors import KernelRefused, LabError
from labctl.kernel.listener import Listener
from labctl.model.values import NameAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.kernel.listener import Enter
    from labctl.model.values import NameAsk

_PORT = 53
_MOST_BYTES = 65535


class _Talk:
    """One ask: its socket, and the question that is out."""

    def __init__(self, number: int, ask: NameAsk, sock: socket.socket) -> None:
        self.number, self.ask, self.sock = number, ask, sock
        self.left = list(ask.names)
        self.out: dns.message.Message | None = None

    def send_next(self) -> bool:
        """Ask for the next name; False if there is none."""
        if not self.left:
            return False
        # A new id each time: an answer that comes late is no answer to the next question.
        self.out = dns.message.make_query(self.left.pop(0), self.ask.kind)
        self.sock.send(self.out.to_wire())
        return True


class NameAsks(Listener):
    """Asks side by side. Each goes on to its next name as the C library does: when there are no such records."""

    def __init__(self, enter: Enter, asks: Sequence[NameAsk]) -> None:
        """Send the first question of each."""
        super().__init__()
        self.answers: list[NameAnswer | KernelRefused] = [
            NameAnswer("", why=f"no answer from {each.server}") for each in asks
        ]
        self._talks: dict[int, _Talk] = {}
        for number, ask in enumerate(asks):
            try:
                socket.inet_pton(socket.AF_INET, ask.server)
                with enter(ask.source):
                    sock = self.watch(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
            except (LabError, OSError) as error:
                self.answers[number] = KernelRefused(f"{ask.server} could not be asked from {ask.source}: {error}")
                continue
            talk = self._talks[sock.fileno()] = _Talk(number, ask, sock)
            self.open.add(number)
            try:
                # Connected, so that the socket hears of a refusal, and of nobody else.
                sock.connect((ask.server, _PORT))
                talk.send_next()
            except (OSError, dns.exception.DNSException) as error:
                self._end(talk, _say_silent(talk, error))

    def read(self, descriptor: int) -> None:
        """Take in what came: an answer, or word that there is nobody."""
        talk = self._talks[descriptor]
        try:
            heard = talk.sock.recv(_MOST_BYTES)
            message = dns.message.from_wire(heard, ignore_trailing=True)
            if talk.out is None or not talk.out.is_response(message):
                return
            answer = _read_answer(message, talk.ask.kind)
            if answer.data or not talk.send_next():
                self._end(talk, answer)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(talk, _say_silent(talk, error))
        except dns.exception.DNSException:  # not a DNS message: as good as nothing
            return

    def _end(self, talk: _Talk, answer: NameAnswer) -> None:
        if talk.number in self.open:
            self.answers[talk.number] = answer
            self.open.discard(talk.number)
            self.poll.unregister(talk.sock)


def _read_answer(message: dns.message.Message, kind: str) -> NameAnswer:
    wanted = [each for each in message.answer if dns.rdatatype.to_text(each.rdtype) == kind]
    code = dns.rcode.to_text(message.rcode())
    return NameAnswer(code, tuple(record.to_text() for each in wanted for record in each))


def _say_silent(talk: _Talk, error: Exception) -> NameAnswer:
    said = error.strerror if isinstance(error, OSError) else str(error)
    return NameAnswer("", why=f"{talk.ask.server} port {_PORT}: {said}")
