"""A TLS front for the machine's engine, as a daemon with --tlsverify has it, and the files that its clients need."""

import contextlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path

CONNECT_S = 5


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_authority(folder: Path) -> None:
    """ca.pem and its key."""
    folder.mkdir()
    openssl(
        folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=authority", "-keyout", "ca-key.pem", "-out", "ca.pem",
    )  # fmt: skip


def make_certificate(folder: Path, name: str, purpose: str) -> None:
    """NAME.pem and NAME-key.pem, signed by the folder's authority, for 127.0.0.1."""
    openssl(
        folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
        "-keyout", f"{name}-key.pem", "-out", f"{name}.csr",
    )  # fmt: skip
    (folder / f"{name}.ext").write_text(f"subjectAltName=IP:127.0.0.1\nextendedKeyUsage={purpose}\n")
    openssl(
        folder, "x509", "-req", "-days", "2", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
        "-CAcreateserial", "-extfile", f"{name}.ext", "-out", f"{name}.pem",
    )  # fmt: skip


def client_folder(folder: Path, authority: Path, certificate: Path | None) -> Path:
    """What DOCKER_CERT_PATH names."""
    folder.mkdir()
    (folder / "ca.pem").write_bytes((authority / "ca.pem").read_bytes())
    if certificate is not None:
        (folder / "cert.pem").write_bytes((certificate / "client.pem").read_bytes())
        (folder / "key.pem").write_bytes((certificate / "client-key.pem").read_bytes())
    return folder


class TlsFront:
    """Takes TLS connections of clients with a certificate of the authority, and copies bytes to a unix socket."""

    def __init__(self, authority: Path, unix_socket: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority / "server.pem", authority / "server-key.pem")
        context.load_verify_locations(authority / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        self._context = context
        self._unix_socket = unix_socket
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # close() ends it
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            plain.settimeout(CONNECT_S)
            client = stack.enter_context(self._context.wrap_socket(plain, server_side=True))
            client.settimeout(None)
            engine = stack.enter_context(socket.socket(socket.AF_UNIX))
            engine.connect(self._unix_socket)
            answers = threading.Thread(target=copy, args=(engine, client), daemon=True)
            answers.start()
            copy(client, engine)
            answers.join()

    def close(self) -> None:
        self._listener.close()


def copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
