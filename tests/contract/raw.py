"""Requests that no HTTP library would send."""

import socket

_LIMIT_S = 20


def exchange(port: int, *parts: bytes) -> bytes:
    """Sends the parts and reads until the gateway closes. A gateway that closes before it has read all is no error."""
    with socket.create_connection(("127.0.0.1", port), timeout=_LIMIT_S) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except OSError:
            pass
        received = b""
        try:
            while data := connection.recv(65_536):
                received += data
        except ConnectionResetError:
            pass
        return received


def head(method: str, path: str, **headers: str) -> bytes:
    """A request's head; underscores in names stand for dashes."""
    lines = [f"{method} {path} HTTP/1.1", "host: gateway"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
