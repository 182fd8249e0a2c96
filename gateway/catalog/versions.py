"""Price versions: an id that says which model, since when, and proves the content."""

import hashlib
from datetime import UTC, datetime

import msgspec
from msgspec import structs

from gateway.catalog.models import Model, Price


def price_body(price: Price) -> bytes:
    """The content of a price in its canonical form: JSON, sorted keys, without its own version."""
    return msgspec.json.encode(structs.replace(price, version=""), order="deterministic")


def read_price(version: str, body: bytes) -> Price:
    """A price from its stored form. Raises msgspec.DecodeError."""
    return structs.replace(msgspec.json.decode(body, type=Price), version=version)


def with_version(model_id: str, price: Price) -> Price:
    """The price with its version: `claude-opus-5-5@2026-09-22.1f2e3d4c`, the day it starts (UTC) and the first 8 hex
    digits of the SHA-256 of its content. Equal content on equal days is the same version, on any machine."""
    day = datetime.fromtimestamp(price.effective_at // 1000, tz=UTC).date().isoformat()
    digest = hashlib.sha256(price_body(price)).hexdigest()[:8]
    return structs.replace(price, version=f"{model_id}@{day}.{digest}")


def with_versions(model: Model) -> Model:
    """The model with its prices in order of time, each with its version."""
    ordered = sorted(model.prices, key=lambda price: price.effective_at)
    return structs.replace(model, prices=tuple(with_version(model.id, price) for price in ordered))
