"""The client's address, everywhere: the peer's own, unless the peer is a proxy the operator trusts."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
UNIX_PEER = "unix"


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """`10.0.0.0/8`, `::1`; ValueError names what is wrong."""
    return tuple(ip_network(text, strict=False) for text in texts if text != UNIX_PEER)


def client_address(
    peer: str | None, headers: Mapping[str, str], trusted: tuple[Network, ...], *, trust_unix: bool = False
) -> str:
    """The right-most address of `x-forwarded-for` that is not a trusted proxy's, if the peer is one itself.

    Everything left of it could have been written by the client. A peer on a Unix socket has no address; it is a
    trusted proxy only where `trusted_proxies` lists `unix`.
    """
    if peer is None:
        if not trust_unix:
            return UNIX_PEER
    elif not trusted or not _is_trusted(peer, trusted):
        return peer
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    for hop in reversed(hops):
        address = _without_port(hop)
        if not _is_trusted(address, trusted):
            return address if _is_address(address) else (peer or UNIX_PEER)
    return _without_port(hops[0]) if hops else (peer or UNIX_PEER)


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(text: str, trusted: tuple[Network, ...]) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in trusted)
