"""A container image made on the spot of Debian's busybox-static: no registry is asked.

Layout of the archive: the OCI image-layout and image-spec, as `ctr images import` reads it, with docker's manifest.json
beside it: `podman load` reads that in place, and would unpack the other in /var/tmp, which no node can write to.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

NAME = "localhost/lab/busybox:1"
"""As every runtime spells it in full: a name without a host would be one of docker.io's to them."""

PAGE = "hello from busybox\n"
"""What its httpd serves from /www."""

_APPLETS = ("cat", "echo", "httpd", "ip", "ping", "sh", "sleep", "wget")
_OCI = "application/vnd.oci.image"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def build_image(busybox: Path = Path("/bin/busybox")) -> bytes:
    """Give the image as a tar archive; a container of it sleeps unless told otherwise."""
    files = {"bin/busybox": busybox.read_bytes(), "www/index.html": PAGE.encode()}
    layer = _pack(files | {f"bin/{name}": "busybox" for name in _APPLETS})
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    config = _spell(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/bin/sleep", "86400"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _spell(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": _describe(config, f"{_OCI}.config.v1+json"),
            "layers": [_describe(layer, f"{_OCI}.layer.v1.tar")],
        }
    )
    names = {"io.containerd.image.name": NAME, "org.opencontainers.image.ref.name": NAME}
    entry = {
        **_describe(manifest, f"{_OCI}.manifest.v1+json"),
        "platform": {"architecture": architecture, "os": "linux"},
        "annotations": names,
    }
    blobs = {_path(blob): blob for blob in (layer, config, manifest)}
    index = _spell({"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": [entry]})
    docker = _spell([{"Config": _path(config), "RepoTags": [NAME], "Layers": [_path(layer)]}])
    layout = _spell({"imageLayoutVersion": "1.0.0"})
    return _pack({"oci-layout": layout, "index.json": index, "manifest.json": docker, **blobs})


def _pack(files: dict[str, bytes | str]) -> bytes:
    """Make a tar archive; a text stands for a symbolic link that says it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _path(blob: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}"


def _spell(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _describe(blob: bytes, kind: str) -> dict[str, object]:
    return {"mediaType": kind, "digest": _digest(blob), "size": len(blob)}
