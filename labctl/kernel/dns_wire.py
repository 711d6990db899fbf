"""DNS messages (RFC 1035, section 4): a question taken from the wire, and the zone's answer put on it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from labctl.model.zone import TTL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.model.zone import Name, Record, Zone

HEADER = struct.Struct("!6H")
_RESPONSE, _OPCODE, _RECURSION_DESIRED = 0x8000, 0x7800, 0x0100
_PLAIN_UDP = 512
MOST_UDP = 1232
"""No answer over UDP is longer, whatever the asker says that it takes: longer ones get lost on the way (RFC 9715)."""
MOST_TCP = 65535
# They ask for the zone itself, or for nothing that a zone holds.
_NO_QUESTIONS = ("AXFR", "IXFR", "MAILA", "MAILB", "OPT", "TSIG", "TKEY")


def respond(zone: Zone, wire: bytes, *, over_tcp: bool = False) -> bytes | None:
    """Answer one message; None where silence is best: it is no whole header, or itself an answer."""
    if len(wire) < HEADER.size:
        return None
    ident, flags, *_ = HEADER.unpack_from(wire)
    if flags & _RESPONSE:
        return None
    try:
        query = dns.message.from_wire(wire)
        if dns.opcode.from_flags(flags) != dns.opcode.QUERY:
            return _bare(ident, flags, dns.rcode.NOTIMP)
        response = _answer(zone, query)
    except Exception:  # noqa: BLE001 (the library raises many kinds; whatever came, the next question is answered)
        return _bare(ident, flags, dns.rcode.FORMERR)
    return _spell(response, query, over_tcp=over_tcp)


def _bare(ident: int, flags: int, rcode: dns.rcode.Rcode) -> bytes:
    """An answer to what could not be read, or is not done: a header, and no question."""
    return HEADER.pack(ident, _RESPONSE | (flags & (_OPCODE | _RECURSION_DESIRED)) | rcode, 0, 0, 0, 0)


def _answer(zone: Zone, query: dns.message.Message) -> dns.message.Message:
    response = dns.message.make_response(query, our_payload=MOST_UDP)
    if query.edns > 0:
        response.set_rcode(dns.rcode.BADVERS)
        return response
    (question,) = query.question
    kind = dns.rdatatype.to_text(question.rdtype)
    if question.rdclass != dns.rdataclass.IN or kind in _NO_QUESTIONS:
        response.set_rcode(dns.rcode.REFUSED)
        return response
    name = to_labels(question.name)
    reply = zone.answer(name, kind)
    response.set_rcode(dns.rcode.from_text(reply.status))
    if reply.status != "REFUSED":
        response.flags |= dns.flags.AA
    # What was asked is repeated letter by letter: some askers tell a forgery by that.
    response.answer += _sets(reply.records, {name: question.name})
    response.additional += _sets(reply.beside)
    response.authority += _sets((reply.denial,) if reply.denial else ())
    return response


def _spell(response: dns.message.Message, query: dns.message.Message, *, over_tcp: bool) -> bytes:
    """Put it on the wire; what is too long for UDP says so, and is asked again over TCP."""
    most = MOST_TCP if over_tcp else min(max(query.payload, _PLAIN_UDP), MOST_UDP)
    try:
        return response.to_wire(max_size=most)
    except dns.exception.TooBig:
        response.answer, response.authority, response.additional = [], [], []
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=most)


def _sets(records: Iterable[Record], spelled: dict[Name, dns.name.Name] | None = None) -> list[dns.rrset.RRset]:
    """Records of one name and kind make one set."""
    sets: dict[tuple[Name, str], list[str]] = {}
    for record in records:
        sets.setdefault((record.name, record.kind), []).append(record.data)
    return [
        dns.rrset.from_text((spelled or {}).get(name) or dns.name.Name([*_encode(name), b""]), TTL, "IN", kind, *data)
        for (name, kind), data in sets.items()
    ]


def to_labels(name: dns.name.Name) -> Name:
    """A name as the zone has it."""
    return tuple(label.decode("latin-1") for label in name.canonicalize().labels if label)


def _encode(name: Name) -> tuple[bytes, ...]:
    return tuple(label.encode("latin-1") for label in name)
