"""The set of callable accounts, as the operator changes it."""

from collections.abc import Callable

import httpx
import msgspec
import pytest

from gateway.dialects.base import UpstreamError
from gateway.errors import ConfigurationError
from gateway.records import Account
from gateway.upstream.providers.base import UpstreamOperation
from gateway.upstream.proxied import ProxiedTransport
from gateway.upstream.transport import TrioTransport
from gateway.upstream.upstreams import Transports, Upstreams

TIMEOUT = {"connect": 2.0, "write": 2.0, "read": 2.0}


class Recorded(httpx.AsyncBaseTransport):
    def __init__(self, account: Account) -> None:
        self.account = account
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True


def account(number: int = 1, **fields) -> Account:
    defaults = {"name": f"account-{number}", "kind": "openai", "base_url": "http://127.0.0.1:1", "sealed_secret": b"s"}
    return Account(number, **(defaults | fields))


def upstreams(open_secret: Callable[[bytes], str] = lambda sealed: f"secret-{sealed.decode()}\n") -> Upstreams:
    return Upstreams(open_secret, Recorded)


async def test_enabled_accounts_can_be_called_and_disabled_ones_not() -> None:
    async with upstreams() as made:
        await made.refresh([account(1), account(2, enabled=False), account(3, draining=True)])
        assert [made.get(number) is not None for number in (1, 2, 3, 4)] == [True, False, True, False]


async def test_a_call_carries_the_opened_secret() -> None:
    async with upstreams() as made:
        await made.refresh([account()])
        request = made.get(1).request(UpstreamOperation("chat", "/chat/completions"), b"{}", {}, TIMEOUT)
        assert request.headers["authorization"] == "Bearer secret-s"


async def test_an_account_without_a_secret_is_called_without_one() -> None:
    async with upstreams() as made:
        await made.refresh([account(sealed_secret=b"")])
        request = made.get(1).request(UpstreamOperation("chat", "/chat/completions"), b"{}", {}, TIMEOUT)
        assert "authorization" not in request.headers


async def test_neither_repr_nor_str_shows_a_secret() -> None:
    async with upstreams() as made:
        await made.refresh([account()])
        text = (
            f"{made!r} {made} {made.get(1)!r} {made.get(1)} {made.get(1).transport!r} {made.get(1).models_request()!r}"
        )
        assert "secret" not in text


@pytest.mark.parametrize("field", [{"base_url": "http://127.0.0.1:2"}, {"proxy": "http://127.0.0.1:3"}])
async def test_an_account_whose_endpoint_changed_gets_a_new_transport(field: dict[str, str]) -> None:
    async with upstreams() as made:
        await made.refresh([account()])
        old = made.get(1).transport
        await made.refresh([account(**field)])
        assert made.get(1).transport is not old
        assert old.closed


@pytest.mark.parametrize("field", [{"priority": 5}, {"sealed_secret": b"t"}, {"models": ("gpt-*",)}])
async def test_other_changes_keep_its_warm_connections(field: dict[str, object]) -> None:
    async with upstreams() as made:
        await made.refresh([account()])
        old = made.get(1).transport
        await made.refresh([account(**field)])
        assert made.get(1).account == account(**field)
        assert made.get(1).transport is old
        assert not old.closed


async def test_an_account_that_is_gone_is_closed() -> None:
    async with upstreams() as made:
        await made.refresh([account(1), account(2)])
        gone = made.get(2).transport
        await made.refresh([account(1)])
        assert (made.get(2), gone.closed) == (None, True)


async def test_leaving_closes_every_account() -> None:
    async with upstreams() as made:
        await made.refresh([account(1), account(2)])
        transports = [made.get(number).transport for number in (1, 2)]
    assert all(transport.closed for transport in transports)


async def test_one_account_that_cannot_be_opened_does_not_stop_the_others() -> None:
    def open_secret(sealed: bytes) -> str:
        if sealed == b"lost":
            raise ConfigurationError("The master key does not open this secret.")
        return "fine"

    async with upstreams(open_secret) as made:
        await made.refresh([account(1, sealed_secret=b"lost"), account(2), account(3, kind="carrier-pigeon")])
        assert (made.get(1), made.get(3)) == (None, None)
        assert made.get(2) is not None
        assert set(made.problems) == {1, 3}


async def test_a_secret_that_no_header_can_carry_is_named_by_its_account_only() -> None:
    async with upstreams(lambda _: "two\r\nlines: hidden") as made:
        await made.refresh([account()])
        assert "account-1" in made.problems[1]
        assert "hidden" not in made.problems[1]


async def test_a_callers_message_names_neither_account_nor_host_nor_secret() -> None:
    async with upstreams() as made:
        await made.refresh([account(base_url="http://gpu-box:8000", name="spare-account")])
        message = "GPU-BOX says: spare-account with secret-s sent a bad field 'x'"
        raw = msgspec.json.encode({"error": {"message": message}})
        failure = made.get(1).classify(400, {}, UpstreamError(400, "", message, raw))
        assert failure.public_message == "[removed] says: [removed] with [removed] sent a bad field 'x'"


async def test_accounts_with_a_proxy_and_without_get_their_transports() -> None:
    made = Transports()
    direct, proxied = made(account()), made(account(proxy="http://127.0.0.1:1"))
    assert isinstance(direct, TrioTransport)
    assert isinstance(proxied, ProxiedTransport)
    await direct.aclose()
    await proxied.aclose()


@pytest.mark.parametrize(
    "fields", [{"proxy": "gopher://x"}, {"base_url": "https://x.com", "options": {"ca_file": "/nowhere.pem"}}]
)
def test_a_transport_that_cannot_be_made_is_a_configuration_error(fields) -> None:
    with pytest.raises(ConfigurationError, match="account-1"):
        Transports()(account(**fields))
