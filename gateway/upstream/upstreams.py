"""The accounts as things that can be called: each with its provider, its credential in the clear and a transport.

Credentials are opened here and nowhere else; neither `repr` nor an error says one.
"""

import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx
import trio

from gateway.dialects.base import UpstreamError
from gateway.errors import ConfigurationError, OperatorError
from gateway.records import Account
from gateway.upstream.cooldown import Failure
from gateway.upstream.failures import GENERIC_CLIENT_MESSAGE, sanitise
from gateway.upstream.providers import provider_for
from gateway.upstream.providers.base import Provider, Timeouts, UpstreamOperation
from gateway.upstream.proxied import ProxiedTransport
from gateway.upstream.supervised import SupervisedTransport
from gateway.upstream.transport import TrioTransport, default_ssl_context

CLOSE_DEADLINE_S = 5.0

OpenSecret = Callable[[bytes], str]
TransportFor = Callable[[Account], httpx.AsyncBaseTransport]


class Upstream:
    """One enabled account, ready to be called. Immutable; replaced when the operator changes the account."""

    __slots__ = ("_secret", "account", "provider", "transport")

    def __init__(self, account: Account, provider: Provider, transport: httpx.AsyncBaseTransport, secret: str) -> None:
        self.account = account
        self.provider = provider
        self.transport = transport
        self._secret = secret

    def request(
        self, operation: UpstreamOperation, body: bytes, headers: Mapping[str, str], timeout: Timeouts
    ) -> httpx.Request:
        """The call as this account wants it. `headers` are the caller's, lower-case; few of them go on."""
        return self.provider.request(self.account, self._secret, operation, body, headers, timeout)

    def models_request(self) -> httpx.Request:
        return self.provider.models_request(self.account, self._secret)

    def classify(self, status: int, headers: Mapping[str, str], error: UpstreamError) -> Failure:
        """What an error answer means; its public message names neither this account, nor its host, nor its secret."""
        failure = self.provider.classify(status, headers, error)
        if not failure.client_fault:
            return failure
        host = urlsplit(self.account.base_url).hostname or ""
        forbidden = (self._secret, self.account.name if len(self.account.name) >= 4 else "", host)
        message = sanitise(failure.public_message, forbidden) or GENERIC_CLIENT_MESSAGE
        return Failure(
            failure.cause,
            failure.scope,
            failure.retry_after_s,
            True,
            failure.status,
            message,
            failure.code,
            failure.field,
        )

    def __repr__(self) -> str:
        return f"Upstream({self.account.name!r}, kind={self.account.kind!r})"


class Upstreams:
    """Every enabled account that could be opened, by id. An async context manager: leaving it closes them all.

    `open_secret` unseals a credential. `transport_for` makes the transports (the usual one if None); `data_dir` is
    where accounts that are a program have their folders. `problems` says in words for the operator why an account is
    missing, by id.
    """

    def __init__(
        self, open_secret: OpenSecret, transport_for: TransportFor | None = None, *, data_dir: Path | None = None
    ) -> None:
        self._open_secret = open_secret
        self._transport_for = transport_for or Transports(data_dir)
        self._stack = AsyncExitStack()
        self._sessions: trio.Nursery | None = None
        self._by_id: dict[int, Upstream] = {}
        self.problems: dict[int, str] = {}

    def get(self, account_id: int) -> Upstream | None:
        """The account's upstream; None if there is no such account, it is disabled or could not be opened."""
        return self._by_id.get(account_id)

    async def refresh(self, accounts: Iterable[Account]) -> None:
        """Take over the operator's accounts.

        An account whose endpoint changed gets a new transport; the old one closes when the answers under way on it
        end. Calls that hold an `Upstream` go on with it.
        """
        fresh: dict[int, Upstream] = {}
        problems: dict[int, str] = {}
        for account in accounts:
            if not account.enabled:
                continue
            try:
                fresh[account.id] = self._open(account)
            except OperatorError as error:
                problems[account.id] = error.message
        previous, self._by_id, self.problems = self._by_id, fresh, problems
        known = {id(upstream.transport) for upstream in previous.values()}
        for upstream in fresh.values():
            if isinstance(upstream.transport, SupervisedTransport) and id(upstream.transport) not in known:
                assert self._sessions is not None
                await self._sessions.start(upstream.transport.run)
        kept = {id(upstream.transport) for upstream in fresh.values()}
        await _close(each.transport for each in previous.values() if id(each.transport) not in kept)

    def _open(self, account: Account) -> Upstream:
        known = self._by_id.get(account.id)
        if known is not None and known.account == account:
            return known
        provider = provider_for(account.kind)
        secret = _open_secret(account, self._open_secret)
        if known is not None and _endpoint_of(known.account) == _endpoint_of(account):
            return Upstream(account, provider, known.transport, secret)
        return Upstream(account, provider, self._transport_for(account), secret)

    def prune(self) -> None:
        """Close idle connections that the upstreams have closed or that are too old. For a service task."""
        for upstream in self._by_id.values():
            if isinstance(upstream.transport, TrioTransport):
                upstream.transport.prune()

    async def __aenter__(self) -> Self:
        self._sessions = await self._stack.enter_async_context(trio.open_nursery())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        upstreams, self._by_id = self._by_id, {}
        await _close(upstream.transport for upstream in upstreams.values())
        assert self._sessions is not None
        self._sessions.cancel_scope.cancel()
        await self._stack.aclose()

    def __repr__(self) -> str:
        return f"Upstreams({list(self._by_id.values())!r})"


class Transports:
    """Makes an account's transport. TLS contexts are shared by accounts with the same options: each costs 15 ms."""

    def __init__(self, data_dir: Path | None = None) -> None:
        self._data_dir = data_dir
        self._contexts: dict[tuple[bool, str | None], ssl.SSLContext] = {}

    def __call__(self, account: Account) -> httpx.AsyncBaseTransport:
        """Account options: `tls_verify` (true), `ca_file`, `unix_socket`. Raises ConfigurationError."""
        if account.kind == "simulated":
            from gateway.upstream.providers.simulated import simulated_transport

            return simulated_transport(account)
        if account.kind == "claude-cli":
            from gateway.upstream.providers.claude_cli import ClaudeCliTransport

            if self._data_dir is None:
                raise ConfigurationError(f"Account {account.name!r} needs a data folder.")
            return ClaudeCliTransport(account, self._data_dir)
        context = self._context(account)
        if account.proxy:
            try:
                return ProxiedTransport(account.proxy, context or self._default())
            except (ValueError, ImportError) as error:
                raise ConfigurationError(f"The proxy of account {account.name!r} cannot be used: {error}") from error
        path = account.options.get("unix_socket")
        return TrioTransport(ssl_context=context, unix_socket=str(path) if path else None)

    def _context(self, account: Account) -> ssl.SSLContext | None:
        """None for plain HTTP, which needs none."""
        if account.base_url.lower().startswith("http://"):
            return None
        file = account.options.get("ca_file")
        options = (bool(account.options.get("tls_verify", True)), str(file) if file else None)
        if options not in self._contexts:
            try:
                self._contexts[options] = default_ssl_context(verify=options[0], ca_file=options[1])
            except OSError as error:
                raise ConfigurationError(f"The CA file of account {account.name!r} cannot be read: {error}") from error
        return self._contexts[options]

    def _default(self) -> ssl.SSLContext:
        return self._contexts.setdefault((True, None), default_ssl_context())


def _open_secret(account: Account, open_secret: OpenSecret) -> str:
    """The credential, fit for a header. The errors name the account, never the secret."""
    if not account.sealed_secret:
        return ""
    secret = open_secret(account.sealed_secret).strip()
    if not secret.isascii() or not secret.isprintable():
        raise ConfigurationError(f"The secret of account {account.name!r} has characters that no header can carry.")
    return secret


def _endpoint_of(account: Account) -> tuple[object, ...]:
    """What a transport depends on. A simulated account is its own endpoint."""
    if account.kind == "simulated":
        return (account,)
    if account.kind == "claude-cli":
        reached = (account.base_url, account.proxy, account.extra_headers, account.sealed_secret)
        return (account.kind, account.max_concurrency, account.options, account.name, reached)
    names = ("tls_verify", "ca_file", "unix_socket")
    return (account.kind, account.base_url, account.proxy, *(account.options.get(name) for name in names))


async def _close(transports: Iterable[httpx.AsyncBaseTransport]) -> None:
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_DEADLINE_S):
        for transport in transports:
            await transport.aclose()
