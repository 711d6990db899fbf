"""The plug-in `labnet` as a runtime calls it: reads the environment and standard input, prints JSON, exits 0 or 1.

Errors go to standard output as well: the specification's section 2 says standard error, every runtime reads the other.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NoReturn

from labctl.cni.failure import DEFECT, NO_IO, NOT_JSON, CniFailure, failure_of
from labctl.cni.request import Request, read_request
from labctl.cni.versions import NEWEST, SUPPORTED, check_version, dress, refuse_before
from labctl.errors import LabError
from labctl.model.value import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIRST = {"CHECK": "0.4.0", "STATUS": "1.1.0", "GC": "1.1.0"}
_MOST_BYTES = 16 << 20
_PART_BYTES = 1 << 16


def main() -> int:
    """Answer one call."""
    os.umask(0o022)
    raw: dict[str, Any] = {}
    try:
        data = b"" if os.isatty(0) else _read_input()
        raw = _peek(data)
        request = read_request(os.environ)
        raw = _read_configuration(data)
        return _tell(request, raw, os.environ)
    except CniFailure as failure:
        return _fail(failure, raw)
    except LabError as error:
        return _fail(failure_of(error), raw)
    except OSError as error:
        return _fail(CniFailure(NO_IO, f"{error.filename or 'the kernel'}: {error.strerror or error}"), raw)
    except Exception as error:  # noqa: BLE001 (the last resort: a runtime gets JSON, never a traceback)
        return _fail(CniFailure(DEFECT, f"a defect of labnet: {type(error).__name__}: {error}"), raw)


def _read_input() -> bytes:
    parts, left = [], _MOST_BYTES
    try:
        while part := os.read(0, min(left, _PART_BYTES)):
            parts.append(part)
            left -= len(part)
    except OSError as error:
        raise CniFailure(NO_IO, f"standard input cannot be read: {error.strerror}") from None
    return b"".join(parts)


def _peek(data: bytes) -> dict[str, Any]:
    """The configuration, if it is one: whatever else is wrong, an error bears its version."""
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _read_configuration(data: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(data, parse_constant=_refuse_number, parse_float=_read_float)
    except (ValueError, RecursionError) as error:
        said = "standard input is empty" if not data.strip() else f"standard input is not JSON: {error}"
        raise CniFailure(NOT_JSON, said) from None
    if not isinstance(raw, dict):
        raise CniFailure(NOT_JSON, f"standard input is {type(raw).__name__}; expected an object")
    return raw


def _refuse_number(spelled: str) -> NoReturn:
    """Python reads and writes NaN and Infinity, which JSON does not have (RFC 8259, section 6)."""
    raise ValueError(f"{spelled} is no number")


def _read_float(spelled: str) -> float:
    number = float(spelled)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{spelled[:40]} is too large")
    return number


def _tell(request: Request, raw: dict[str, Any], environment: Mapping[str, str]) -> int:
    """Print the answer. An ADD of which nobody can be told is taken back: who asked will think that it failed."""
    answer = _answer(request, raw, environment)
    code = _print("" if answer is None else json.dumps(answer), 0)
    if code and request.command == "ADD":
        _answer(replace(request, command="DEL"), raw, environment)
    return code


def _answer(request: Request, raw: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any] | None:
    if request.command == "VERSION":
        # Podman asks so first, with dummy variables, and drops a network whose version is not listed.
        asked = raw.get("cniVersion")
        return {"cniVersion": asked if isinstance(asked, str) else NEWEST, "supportedVersions": list(SUPPORTED)}
    version = check_version(raw)
    refuse_before(version, _FIRST.get(request.command, SUPPORTED[0]), request.command)
    from labctl.cni.call import Call
    from labctl.cni.config import read_configuration

    call = Call(request, read_configuration(raw, lenient=request.command == "DEL"), environment)
    if request.command == "ADD":
        from labctl.cni.add import add

        return dress(add(call), version)
    if request.command == "DEL":
        from labctl.cni.delete import delete

        delete(call)
    else:
        from labctl.cni import upkeep

        {"CHECK": upkeep.check, "STATUS": upkeep.status, "GC": upkeep.collect}[request.command](call)
    return None


def _fail(failure: CniFailure, raw: dict[str, Any]) -> int:
    version = raw.get("cniVersion")
    return _print(json.dumps(failure.as_json(version if version in SUPPORTED else NEWEST)), 1)


def _print(said: str, code: int) -> int:
    """Print a line, unless it is empty; give the exit code, which is 1 if nobody can be told."""
    data = f"{said}\n".encode() if said else b""
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        return 1
    return code


def run() -> NoReturn:
    """Be the executable. Nothing is left to be tidied up at the end, and tidying up would take its time."""
    os._exit(main())
