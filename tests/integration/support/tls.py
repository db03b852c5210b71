"""A TLS front for a service that speaks plainly (an engine as with --tlsverify, a Prefect server), and the files for its clients."""

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
    """Takes TLS connections, and copies bytes to a unix socket (clients need a certificate of the authority) or a port."""

    def __init__(self, authority: Path, target: str | int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority / "server.pem", authority / "server-key.pem")
        if isinstance(target, str):
            context.load_verify_locations(authority / "ca.pem")
            context.verify_mode = ssl.CERT_REQUIRED
        self._context = context
        self._target = target
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
            service = stack.enter_context(self._connect())
            answers = threading.Thread(target=copy, args=(service, client), daemon=True)
            answers.start()
            copy(client, service)
            answers.join()

    def _connect(self) -> socket.socket:
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target))
        service = socket.socket(socket.AF_UNIX)
        service.connect(self._target)
        return service

    def close(self) -> None:
        self._listener.close()


def copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class ConnectProxy:
    """An HTTP proxy that knows CONNECT alone; `targets` tells who was asked for, by HOST:PORT."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # close() ends it
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(client)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            target = head.split()[1].decode()
            self.targets.append(target)
            host, port = target.rsplit(":", 1)
            service = stack.enter_context(socket.create_connection((host, int(port))))
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            answers = threading.Thread(target=copy, args=(service, client), daemon=True)
            answers.start()
            copy(client, service)
            answers.join()

    def close(self) -> None:
        self._listener.close()
