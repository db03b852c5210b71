"""Writes a container image, an archive for `docker load`, out of the Debian package. Needs no engine and no registry.

The image holds the program, the libraries that it loads, the certificates of public authorities, and a user: no shell, no
package manager. The same package and libraries give the same bytes. Its layer is also what an SBOM tells of: every
Debian package that a file came from, with its version (/usr/share/doc/sluice/sbom.spdx.json, and beside the archive).

Usage: package_image.py --deb FILE --version V [--name NAME] --time SECONDS --output ARCHIVE.tar.gz --sbom FILE
"""

import argparse
import gzip
import hashlib
import io
import json
import platform
import re
import subprocess
import tarfile
import tempfile
from datetime import datetime, timezone
from pathlib import Path

USER = 65532  # as other images without root have it
PROGRAM = "usr/bin/sluice"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
SBOM_PATH = "usr/share/doc/sluice/sbom.spdx.json"
TEXTS = {
    "etc/passwd": f"root:x:0:0::/:/\nsluice:x:{USER}:{USER}::/var/lib/sluice:/\n",
    "etc/group": f"root:x:0:\nsluice:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def output_of(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def libraries(program: Path) -> dict[str, Path]:
    """Path in the image by which the loader finds each library, and the file here."""
    found = re.findall(r"(?:=> |^\s*)(/\S+) \(0x", output_of("ldd", str(program)), re.MULTILINE)
    return {path.lstrip("/"): Path(path).resolve() for path in found}


def package_of(file: Path) -> str:
    """The Debian package that a file belongs to. Debian 12 knows some files by their path before /usr was merged."""
    for path in (file, Path("/" + str(file).removeprefix("/usr/"))):
        done = subprocess.run(["dpkg-query", "-S", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if done.returncode == 0:
            return done.stdout.split(": ")[0].split(",")[0].split(":")[0]
    raise SystemExit(f"error: {file} belongs to no Debian package, so nobody knows its version")


class Layer:
    """A tar archive with one owner and one time; folders are made where they are missing."""

    def __init__(self, time: int) -> None:
        self._entries: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
        self._time = time

    def _add(self, path: str, mode: int, type_: bytes, data: bytes = b"", owner: int = 0) -> None:
        parent = str(Path(path).parent)
        if parent != "." and parent not in self._entries:
            self.folder(parent)
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.size, info.mtime = type_, mode, len(data), self._time
        info.uid = info.gid = owner
        self._entries[path] = (info, data)

    def folder(self, path: str, mode: int = 0o755, owner: int = 0) -> None:
        self._add(path, mode, tarfile.DIRTYPE, owner=owner)

    def file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self._add(path, mode, tarfile.REGTYPE, data)

    def bytes(self) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for path in sorted(self._entries):
                info, data = self._entries[path]
                tar.addfile(info, io.BytesIO(data))
        return out.getvalue()


def sbom(version: str, time: int, versions: dict[str, str]) -> bytes:
    """SPDX 2.3: the image holds sluice, which needs the rest."""
    created = datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    packages = [
        {
            "SPDXID": "SPDXRef-sluice",
            "name": "sluice",
            "versionInfo": version,
            "downloadLocation": "NOASSERTION",
            "licenseConcluded": "Apache-2.0",
            "licenseDeclared": "Apache-2.0",
            "copyrightText": "NOASSERTION",
            "filesAnalyzed": False,
        }
    ]
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-sluice")]
    for name, number in sorted(versions.items()):
        reference = "SPDXRef-deb-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)
        packages.append(
            {
                "SPDXID": reference,
                "name": name,
                "versionInfo": number,
                "supplier": "Organization: Debian",
                "downloadLocation": "NOASSERTION",
                "licenseConcluded": "NOASSERTION",
                "licenseDeclared": "NOASSERTION",
                "copyrightText": "NOASSERTION",
                "filesAnalyzed": False,
                "externalRefs": [
                    {
                        "referenceCategory": "PACKAGE-MANAGER",
                        "referenceType": "purl",
                        "referenceLocator": f"pkg:deb/debian/{name}@{number}",
                    }
                ],
            }
        )
        relations.append(("SPDXRef-sluice", "DEPENDS_ON", reference))
    names = hashlib.sha256(json.dumps(packages, sort_keys=True).encode()).hexdigest()
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"sluice-{version}",
        "documentNamespace": f"urn:sluice:sbom:{version}:{names}",
        "creationInfo": {"created": created, "creators": ["Tool: sluice-package_image.py"]},
        "packages": packages,
        "relationships": [
            {"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b} for a, kind, b in relations
        ],
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def fill_layer(layer: Layer, root: Path, version: str, time: int) -> bytes:
    """Puts everything into the layer; the SBOM."""
    program = root / PROGRAM
    layer.file(PROGRAM, program.read_bytes(), 0o755)
    packages = {"ca-certificates"}
    for path, file in libraries(program).items():
        layer.file(path, file.read_bytes(), 0o755)
        packages.add(package_of(file))
    layer.file(CERTIFICATES.lstrip("/"), Path(CERTIFICATES).read_bytes())
    for path, text in TEXTS.items():
        layer.file(path, text.encode())
    layer.folder("tmp", 0o1777)
    layer.folder("var/lib/sluice", 0o700, USER)
    layer.file("usr/share/doc/sluice/copyright", (root / "usr/share/doc/sluice/copyright").read_bytes())
    for name in packages:
        layer.file(f"usr/share/doc/{name}/copyright", Path(f"/usr/share/doc/{name}/copyright").read_bytes())
    versions = {name: output_of("dpkg-query", "-W", "-f", "${Version}\n", name).splitlines()[0] for name in packages}
    bill = sbom(version, time, versions)
    layer.file(SBOM_PATH, bill)
    return bill


def image_config(version: str, time: int, layer_digest: str) -> bytes:
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    created = datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {
            "User": f"{USER}:{USER}",
            "Env": ["PATH=/usr/bin", "HOME=/var/lib/sluice", "XDG_STATE_HOME=/var/lib"],
            "Entrypoint": ["/usr/bin/sluice"],
            "Cmd": ["start"],
            "WorkingDir": "/var/lib/sluice",
            "Volumes": {"/var/lib/sluice": {}},
            "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.title": "sluice",
                "org.opencontainers.image.description": "A worker for Prefect's Docker work pools",
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.created": created,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created": created, "created_by": "scripts/package image"}],
    }
    return json.dumps(config, sort_keys=True).encode()


def write_archive(path: Path, layer: bytes, config: bytes, tags: list[str], time: int) -> None:
    """As `docker save` writes it, with one layer."""
    layer_name = f"{hashlib.sha256(layer).hexdigest()}/layer.tar"
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": tags, "Layers": [layer_name]}]
    archive = Layer(time)
    archive.file("manifest.json", json.dumps(manifest).encode())
    archive.file(config_name, config)
    archive.file(layer_name, layer)
    with path.open("wb") as file, gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=time, compresslevel=9) as out:
        out.write(archive.bytes())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--deb", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--name", default="sluice", help="of the image")
    parser.add_argument("--time", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--sbom", type=Path, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", given.deb, folder], check=True)
        layer = Layer(given.time)
        given.sbom.write_bytes(fill_layer(layer, Path(folder), given.version, given.time))
    data = layer.bytes()
    config = image_config(given.version, given.time, hashlib.sha256(data).hexdigest())
    write_archive(given.output, data, config, [f"{given.name}:{given.version}", f"{given.name}:latest"], given.time)
    print(f"{given.output}: {given.output.stat().st_size / 1e6:.1f} MB, unpacked {len(data) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
