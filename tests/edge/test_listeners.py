"""Where the server listens: TCP, Unix sockets, TLS, and what is refused at start."""

import socket
import ssl
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trio.testing
import trustme

from gateway.edge.server import ServerSettings, serve
from gateway.errors import ConfigurationError
from tests.edge.loopback import GET, Answer, Client, echo, serving


async def ask_unix(path: Path) -> Answer:
    async with await trio.open_unix_socket(path) as stream:
        client = Client(stream)
        await client.send(GET)
        return await client.answer()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_several_binds_are_served_and_told_with_their_real_ports(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    async with serving(echo, binds=("127.0.0.1:0", "localhost:0", f"unix:{path}")) as server:
        first, second, third = server.addresses
        assert first.startswith("http://127.0.0.1:")
        assert third == f"unix:{path}"
        for address in (first, second):
            stream = await trio.open_tcp_stream("127.0.0.1", int(address.rsplit(":", 1)[1]))
            async with stream:
                client = Client(stream)
                await client.send(GET)
                assert (await client.answer()).status == 200
        assert (await ask_unix(path)).status == 200


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback interface")
async def test_ipv6() -> None:
    async with serving(echo, binds=("[::1]:0",)) as server:
        assert server.addresses == [f"http://[::1]:{server.port}"]
        async with await trio.open_tcp_stream("::1", server.port) as stream:
            client = Client(stream)
            await client.send(GET)
            assert msgspec.json.decode((await client.answer()).body)["server"] == ["::1", server.port]


async def test_a_unix_client_has_no_address(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    async with serving(echo, binds=(f"unix:{path}",)):
        seen = msgspec.json.decode((await ask_unix(path)).body)

    assert (seen["client"], seen["server"]) == (None, [str(path), None])


async def test_a_unix_client_that_leaves_is_noticed(tmp_path: Path) -> None:
    running, left = trio.Event(), trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await receive()
            running.set()
            await receive()
            left.set()

    path = tmp_path / "gateway.sock"
    async with serving(app, binds=(f"unix:{path}",)):
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(GET)
            await running.wait()
        await left.wait()


@pytest.mark.parametrize("mode", [0o600, 0o660])
async def test_a_unix_socket_has_its_mode_and_goes_with_the_server(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "gateway.sock"
    async with serving(echo, binds=(f"unix:{path}",), unix_mode=mode):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert not path.exists()


async def test_a_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async with serving(echo, binds=(f"unix:{path}",)):
        assert (await ask_unix(path)).status == 200


async def test_the_unix_socket_of_a_later_server_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    async with serving(echo, binds=(f"unix:{path}",)):
        path.rename(tmp_path / "moved")
        with socket.socket(socket.AF_UNIX) as later:
            later.bind(str(path))

    assert path.exists()


@pytest.mark.parametrize(
    ("bind", "says"),
    [
        ("127.0.0.1", "'127.0.0.1' is no bind"),
        ("8000", "'8000' is no bind"),
        ("::1:8000", "is no bind"),
        ("127.0.0.1:http", "is no bind"),
        ("127.0.0.1:70000", "is no bind"),
        (":8000", "is no bind"),
        ("unix:", "needs a path"),
        ("unix:/nowhere/at/all.sock", "Cannot listen on unix:/nowhere/at/all.sock: No such file"),
        ("192.0.2.1:8000", "Cannot listen on 192.0.2.1:8000"),
    ],
)
async def test_a_bind_that_cannot_be(bind: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        await serve(echo, ServerSettings(binds=(bind,)))


async def test_a_port_in_use_is_told() -> None:
    async with serving(echo) as server:
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{server.port}: the port is in use"):
            await serve(echo, ServerSettings(binds=("127.0.0.1:0", f"127.0.0.1:{server.port}")))


async def test_a_live_unix_socket_is_left_to_its_server(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    async with serving(echo, binds=(f"unix:{path}",)):
        with pytest.raises(ConfigurationError, match="another server is listening there"):
            await serve(echo, ServerSettings(binds=(f"unix:{path}",)))
        assert (await ask_unix(path)).status == 200


async def test_a_file_is_not_replaced_by_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")

    with pytest.raises(ConfigurationError, match="not a socket"):
        await serve(echo, ServerSettings(binds=(f"unix:{path}",)))
    assert path.read_text() == "data"


class Tls:
    """A certificate for localhost on disk, and what a client needs to trust it."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost")
        self.cert, self.key = str(folder / "cert.pem"), str(folder / "key.pem")
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(self.cert, append=True)
        certificate.private_key_pem.write_to_path(self.key)
        self.client = ssl.create_default_context()
        authority.configure_trust(self.client)


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls(tmp_path)


async def connect_tls(port: int, context: ssl.SSLContext) -> trio.SSLStream[trio.SocketStream]:
    stream = await trio.open_ssl_over_tcp_stream("localhost", port, ssl_context=context, https_compatible=True)
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError:
        await trio.aclose_forcefully(stream)
        raise
    return stream


async def test_tls(tls: Tls) -> None:
    tls.client.set_alpn_protocols(["h2", "http/1.1"])
    async with serving(echo, binds=("localhost:0",), tls_cert=tls.cert, tls_key=tls.key) as server:
        assert server.addresses[0].startswith("https://")
        stream = await connect_tls(server.port, tls.client)
        client = Client(stream)
        for size in (10, 1_000_000):
            await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + size * b"x")
            seen = msgspec.json.decode((await client.answer()).body)
            assert (seen["scheme"], len(seen["body"])) == ("https", size)
        assert stream.selected_alpn_protocol() == "http/1.1"
        await trio.aclose_forcefully(stream)


async def test_tls_1_1_is_refused(tls: Tls) -> None:
    tls.client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        tls.client.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        tls.client.maximum_version = ssl.TLSVersion.TLSv1_1
    async with serving(echo, binds=("localhost:0",), tls_cert=tls.cert, tls_key=tls.key) as server:
        with pytest.raises(trio.BrokenResourceError):
            await connect_tls(server.port, tls.client)


async def test_a_tls_handshake_has_a_deadline(tls: Tls) -> None:
    settings = {"binds": ("127.0.0.1:0",), "tls_cert": tls.cert, "tls_key": tls.key, "header_timeout_s": 0.05}
    async with serving(echo, **settings) as server, server.connect() as client:
        assert await client.closed()


async def test_a_connection_still_shaking_hands_when_listening_stops_is_closed(tls: Tls) -> None:
    async with serving(echo, tls_cert=tls.cert, tls_key=tls.key) as server:
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as plain:
            await trio.testing.wait_all_tasks_blocked(0.005)
            server.drain.stop_listening()
            stream = trio.SSLStream(plain, tls.client, server_hostname="localhost", https_compatible=True)
            await stream.do_handshake()

            assert await Client(stream).closed()
        await server.stopped.wait()


@pytest.mark.parametrize("speaks", [GET, b"\x16\x03\x01garbage"], ids=["plain HTTP", "garbage"])
async def test_a_failed_handshake_costs_one_connection(tls: Tls, speaks: bytes) -> None:
    async with serving(echo, tls_cert=tls.cert, tls_key=tls.key) as server:
        async with server.connect() as client:
            await client.send(speaks)
            await client.rest()
        await server.until_closed()
        stream = await connect_tls(server.port, tls.client)
        await trio.aclose_forcefully(stream)


async def test_a_tls_client_that_leaves_is_noticed(tls: Tls) -> None:
    running, cancelled = trio.Event(), trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            with trio.CancelScope() as cancel_scope:
                scope["extensions"]["trigate.client"].watch(cancel_scope)
                running.set()
                await trio.sleep_forever()
            cancelled.set()

    async with serving(app, tls_cert=tls.cert, tls_key=tls.key) as server:
        stream = await connect_tls(server.port, tls.client)
        await stream.send_all(GET)
        await running.wait()
        await trio.aclose_forcefully(stream)
        await cancelled.wait()


async def test_a_tls_reader_that_stalls_is_given_up(tls: Tls) -> None:
    failed = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            try:
                await send({"type": "http.response.body", "body": 50_000_000 * b"x"})
            except OSError:
                failed.set()

    async with serving(app, tls_cert=tls.cert, tls_key=tls.key, write_timeout_s=0.05) as server:
        stream = await connect_tls(server.port, tls.client)
        await stream.send_all(GET)
        await failed.wait()
        await server.until_closed()
        await trio.aclose_forcefully(stream)


async def test_unix_sockets_are_plain_beside_tls(tls: Tls, tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    async with serving(echo, binds=("127.0.0.1:0", f"unix:{path}"), tls_cert=tls.cert, tls_key=tls.key):
        assert msgspec.json.decode((await ask_unix(path)).body)["scheme"] == "http"


@pytest.mark.parametrize(
    ("cert", "key", "says"),
    [
        ("cert.pem", None, "both a certificate and a key"),
        (None, "key.pem", "both a certificate and a key"),
        ("missing.pem", "key.pem", "Cannot use the TLS certificate .*missing.pem"),
        ("key.pem", "cert.pem", "Cannot use the TLS certificate"),
    ],
)
async def test_tls_files_that_cannot_be_used(
    tls: Tls, tmp_path: Path, cert: str | None, key: str | None, says: str
) -> None:
    settings = ServerSettings(
        binds=("127.0.0.1:0",),
        tls_cert=cert and str(tmp_path / cert),
        tls_key=key and str(tmp_path / key),
    )
    with pytest.raises(ConfigurationError, match=says):
        await serve(echo, settings)
