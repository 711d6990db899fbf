"""The node's own store of addresses: the file that step 1 keeps, `ADDRESS OWNER [INTERFACE]` a line, under its lock.

A line with an interface is an attachment of the plug-in's; one without was made by hand and is only respected. Where
another plug-in gives the addresses, `-` stands in place of one.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeAlias

from labctl.cni.failure import NO_ADDRESS, NO_IO, TRY_LATER, CniFailure
from labctl.errors import KernelRefused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from labctl.cni.config import Range
    from labctl.cni.fields import Host
    from labctl.kernel.files import NodeFiles

    Attachment: TypeAlias = tuple[str, str]

_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.005
_ATTACHMENT_WORDS = 3
_FILE = "reserved"
_ELSEWHERE = "-"


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """Hold the store's lock: the folder itself (flock(2)), as step 1 does; it dies with its holder.

    Raises:
        CniFailure: 11 if somebody holds it for too long, 5 if there is no folder to be had.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise CniFailure(NO_IO, f"the store {folder} cannot be opened: {error.strerror}") from None
    try:
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise CniFailure(TRY_LATER, f"somebody else holds the lock of {folder}") from None
                time.sleep(_PAUSE_SECONDS)
        yield
    finally:
        os.close(held)


class Store:
    """The addresses of one network. Its lock must be held by whoever changes it."""

    def __init__(self, files: NodeFiles, folder: str) -> None:
        """Read it.

        Raises:
            CniFailure: 5 if it cannot be read, or holds what is no store; nothing is changed then.
        """
        self._files, self._path = files, f"{folder}/{_FILE}"
        text = _read_text(self._path)
        if text is not None and not text.strip():
            # We never leave one: a power cut does. To begin anew would give addresses away a second time.
            raise CniFailure(NO_IO, f"{self._path} is empty, and no store; put its lines back, or remove it")
        text = text or ""
        self._lines = [line.split() for line in text.splitlines() if line.strip()]
        for line in self._lines:
            if len(line) not in (_ATTACHMENT_WORDS - 1, _ATTACHMENT_WORDS) or not _is_address(line[0]):
                said = f"{self._path} is corrupt: {' '.join(line)[:80]!r} is not 'ADDRESS OWNER'"
                raise CniFailure(NO_IO, f"{said}; nothing was changed")

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """What the plug-in has made, or began to."""
        return tuple(dict.fromkeys((line[1], line[2]) for line in self._lines if len(line) == _ATTACHMENT_WORDS))

    def of(self, attachment: Attachment) -> tuple[str, ...]:
        """The addresses of an attachment, in the order in which it got them; `-` if another plug-in gave them."""
        return tuple(line[0] for line in self._lines if tuple(line[1:]) == attachment)

    def note(self, attachment: Attachment) -> None:
        """Note an attachment whose addresses another plug-in gives.

        Raises:
            CniFailure: 5 if it cannot be written.
        """
        self._lines = [*self._without(attachment), [_ELSEWHERE, *attachment]]
        self._write()

    def pick(
        self, attachment: Attachment, sets: Sequence[Sequence[Range]], answering: Collection[str] = ()
    ) -> list[Host]:
        """The lowest free address of each set; what a killed ADD left of the attachment counts as free.

        Raises:
            CniFailure: 103 if a set has none left.
        """
        picked: list[Host] = []
        for ranges in sets:
            free = next(self.free(ranges, {*answering, *map(str, picked)}, attachment), None)
            if free is None:
                spelled = ", ".join(str(each.subnet) for each in ranges)
                raise CniFailure(NO_ADDRESS, f"no address of {spelled} is free", f"see {self._path}")
            picked.append(free)
        return picked

    def take(self, attachment: Attachment, picked: Sequence[Host]) -> None:
        """Give an attachment these addresses, in place of what a killed ADD left of it.

        Raises:
            CniFailure: 5 if it cannot be written; nothing is changed then.
        """
        self._lines = [*self._without(attachment), *([str(each), *attachment] for each in picked)]
        self._write()

    def free(
        self, ranges: Sequence[Range], answering: Collection[str] = (), attachment: Attachment | None = None
    ) -> Iterator[Host]:
        """The addresses, from the lowest, that are neither given away nor the bridge's nor somebody's who answers.

        What the attachment itself has counts as free.
        """
        given = [line[0] for line in self._without(attachment) if line[0] != _ELSEWHERE]
        taken = {int(ip_address(each)) for each in (*given, *answering)}
        for each in ranges:
            kept = taken | {int(each.gateway), int(each.subnet[0])}
            for number in range(int(each.first), int(each.last) + 1):
                if number not in kept:
                    yield each.subnet[number - int(each.subnet[0])]

    def _without(self, attachment: Attachment | None) -> list[list[str]]:
        return [line for line in self._lines if tuple(line[1:]) != attachment]

    def release(self, *attachments: Attachment) -> None:
        """Take addresses back; whoever has none is success.

        Raises:
            CniFailure: 5 if it cannot be written.
        """
        kept = [line for line in self._lines if tuple(line[1:]) not in attachments]
        if len(kept) != len(self._lines):
            self._lines = kept
            self._write()

    def _write(self) -> None:
        try:
            if self._lines:
                self._files.write(self._path, "".join(f"{' '.join(line)}\n" for line in self._lines))
            else:
                self._files.remove(self._path)
        except (OSError, KernelRefused) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise CniFailure(NO_IO, f"{self._path} cannot be written: {said}; nothing was changed") from None


def has_others(folder: str, container: str, gone: Collection[Attachment]) -> bool:
    """Tell whether a container has attachments besides those that are `gone`, in any network whose store is beside."""
    parent, own = os.path.split(folder)
    try:
        networks = os.listdir(parent)
    except (FileNotFoundError, NotADirectoryError):
        return False
    for network in networks:
        for words in _read_words(os.path.join(parent, network, _FILE)):
            is_here = len(words) == _ATTACHMENT_WORDS and words[1] == container
            if is_here and not (network == own and (words[1], words[2]) in gone):
                return True
    return False


def _read_text(path: str) -> str | None:
    """The whole file; None if there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CniFailure(NO_IO, f"{path} cannot be read: {error.strerror}") from None


def _read_words(path: str) -> list[list[str]]:
    """The lines of a store of whatever network; none if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [line.split() for line in file]
    except OSError:
        return []


def _is_address(text: str) -> bool:
    if text == _ELSEWHERE:
        return True
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
