"""Puts streams together for the assembly tests."""

from typing import Any

import msgspec

from gateway.dialects.assemble import Assembler
from gateway.dialects.assembly import assembly_named
from gateway.dialects.base import UpstreamError
from gateway.records import DialectName

LIMIT_BYTES = 1024 * 1024


def assembler(name: DialectName, limit_bytes: int = LIMIT_BYTES) -> Assembler:
    return Assembler(assembly_named(name), limit_bytes)


def assembled(name: DialectName, *frames: bytes) -> Any:
    """The decoded answer of a stream that has to be a success. The connection closes after the frames."""
    made = assembler(name)
    batches = [made.feed(b"".join(frames)), made.end()]
    assert [batch.error for batch in batches] == [None, None]
    return msgspec.json.decode(b"".join(batch.terminal for batch in batches))


def refused(name: DialectName, *frames: bytes) -> UpstreamError:
    """The error of a stream that must not become an answer."""
    made = assembler(name)
    batches = [made.feed(b"".join(frames)), made.end()]
    assert [batch.terminal for batch in batches] == [b"", b""]
    errors = [batch.error for batch in batches if batch.error is not None]
    assert len(errors) == 1
    return errors[0]


def can_assemble(name: DialectName, body: dict[str, Any], **headers: str) -> bool:
    fields = {member: msgspec.Raw(msgspec.json.encode(value)) for member, value in body.items()}
    named = {header.replace("_", "-"): value for header, value in headers.items()}
    return assembly_named(name).can_assemble(fields, named)
