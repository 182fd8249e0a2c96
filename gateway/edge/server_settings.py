"""How the client side listens, and the bounds it puts on every connection."""

import msgspec


class ServerSettings(msgspec.Struct, frozen=True):
    """`binds` are "host:port", "[::1]:port" or "unix:/path"; port 0 takes a free one.

    TLS is for TCP binds, with PEM files given in pairs; Unix sockets are plain. Deadlines are kept to within a second
    (or a quarter of the shortest). `header_timeout_s` runs from the first byte of a request, and bounds a TLS
    handshake; `body_timeout_s` is the longest a body may bring nothing while it is waited for; `idle_timeout_s` the
    longest a connection may bring no request; within `write_timeout_s` a client takes 64 KiB or counts as gone;
    `linger_s` is how long a closing connection is read, so that a client still sending sees its answer.
    At `max_connections` the longest idle connection makes room, or the new one gets a 503.
    """

    binds: tuple[str, ...] = ("127.0.0.1:8000",)
    tls_cert: str | None = None
    tls_key: str | None = None
    unix_mode: int = 0o600
    max_header_bytes: int = 32 * 1024
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    idle_timeout_s: float = 75.0
    write_timeout_s: float = 30.0
    linger_s: float = 2.0
    max_connections: int = 10_000
    backlog: int = 1024

    @property
    def deadline_interval_s(self) -> float:
        return min(1.0, min(self.header_timeout_s, self.body_timeout_s, self.idle_timeout_s) / 4)
