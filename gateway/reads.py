"""The store's reads for the edge and the relay: short, in threads, a read-only connection for each."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import apsw
import structlog
import trio

from gateway.clock import now_ms
from gateway.errors import StoreUnavailable, Unavailable
from gateway.records import UpstreamObject
from gateway.store.database import Database, Readers
from gateway.store.queries.calls import Story, find_call
from gateway.store.queries.lookups import find_object
from gateway.store.queries.usage import UsageSum, summarize
from gateway.store.responses import find_response

READERS = 4
READ_DEADLINE_S = 5.0
MOST_OBJECTS = 10_000
_CLOSE_DEADLINE_S = 1.0
_DAY_MS = 86_400_000

T = TypeVar("T")
logger = structlog.get_logger(__name__)


class StoreReads:
    """Implements `gateway.services.Reads`. A context manager: leaving it closes the connections.

    A read that fails or takes over five seconds raises Unavailable. A cancelled one ends at once for the caller; its
    thread keeps its connection until SQLite has answered.
    """

    def __init__(self, path: Path) -> None:
        self._readers = Readers(path, READERS)
        self._limiter = trio.CapacityLimiter(READERS)
        self._objects: OrderedDict[tuple[int, str], UpstreamObject] = OrderedDict()

    async def receipt(self, call_id: str, customer_id: int) -> dict[str, Any] | None:
        """One of the customer's calls as GET /v1/usage/{id} answers it; None for anybody else's."""
        story = await self._read(lambda database: find_call(database, call_id, customer_id=customer_id))
        return None if story is None else receipt_of(story)

    async def usage_summary(self, customer_id: int, days: int) -> dict[str, Any]:
        """The last `days` UTC days, today's included, by day and model, as GET /v1/usage answers them."""
        today = now_ms() // _DAY_MS * _DAY_MS
        since_at, until_at = today - (days - 1) * _DAY_MS, today + _DAY_MS
        sums = await self._read(
            lambda database: summarize(
                database, since_at=since_at, until_at=until_at, by=("day", "model"), customer_id=customer_id
            )
        )
        return summary_of(sums, since_at, today)

    async def object(self, customer_id: int, object_id: str) -> UpstreamObject | None:
        """Where an upstream id of this customer's lives. What is found is remembered; what is not is asked again."""
        name = (customer_id, object_id)
        known = self._objects.get(name)
        if known is not None:
            self._objects.move_to_end(name)
            return known
        found = await self._read(lambda database: find_object(database, customer_id, object_id))
        if found is not None:
            self.remember([found])
        return found

    async def response(self, customer_id: int, response_id: str) -> tuple[bytes, bytes] | None:
        """A response the gateway keeps for this customer, and the items it was made of, as JSON."""
        at = now_ms()
        kept = await self._read(lambda database: find_response(database, customer_id, response_id, now_at=at))
        return None if kept is None else (kept.response, kept.items)

    def remember(self, objects: Iterable[UpstreamObject]) -> None:
        """Know ids of calls just settled before the database can be asked for them. The least used go first."""
        for each in objects:
            name = (each.customer_id, each.object_id)
            self._objects[name] = each
            self._objects.move_to_end(name)
        while len(self._objects) > MOST_OBJECTS:
            self._objects.popitem(last=False)

    def forget(self, customer_id: int, object_id: str) -> None:
        """The upstream no longer keeps this id; the database is told by the ledger."""
        self._objects.pop((customer_id, object_id), None)

    async def _read(self, query: Callable[[Database], T]) -> T:
        def with_connection() -> T:
            with self._readers.borrow() as database:
                return query(database)

        try:
            with trio.fail_after(READ_DEADLINE_S):
                return await trio.to_thread.run_sync(with_connection, limiter=self._limiter, abandon_on_cancel=True)
        except (StoreUnavailable, apsw.Error, trio.TooSlowError) as error:
            logger.error("read_failed", error=repr(error))
            raise Unavailable(
                "The gateway cannot read its records at the moment. Retry shortly.", retry_after_s=5
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections once no abandoned read uses them; a read that never ends keeps them open."""
        try:
            with ExitStack() as borrowed:
                for _ in range(READERS):
                    borrowed.enter_context(self._readers.borrow(_CLOSE_DEADLINE_S))
                self._readers.close()
        except StoreUnavailable:
            logger.warning("reads_not_closed")


def receipt_of(story: Story) -> dict[str, Any]:
    """A call as its customer sees it: tokens, cost and how both came about. No account, no operator's cost."""
    call = story.call
    return {
        "object": "usage",
        "request_id": call.id,
        "model": call.model,
        "model_asked": call.model_asked,
        "dialect": call.dialect,
        "stream": call.stream,
        "state": call.state,
        "outcome": call.outcome if call.state == "settled" else None,
        "status": call.status if call.state == "settled" else None,
        "error_code": call.error_code or None,
        **_tokens(lambda bucket: getattr(call.usage, bucket)),
        "service_tier": call.usage.service_tier or None,
        "speed": call.usage.speed or None,
        "inference_geo": call.usage.inference_geo or None,
        "usage_basis": call.usage_basis,
        "cost_micro": call.cost_micro,
        "price_version": call.price_version,
        "multiplier_bp": call.multiplier_bp,
        "attempts": len(story.attempts),
        "warnings": list(call.warnings),
        "started_at": _instant(call.started_at),
        "ended_at": _instant(call.started_at + call.duration_ms) if call.state == "settled" else None,
        "duration_ms": call.duration_ms,
        "ttft_ms": call.ttft_ms,
    }


def summary_of(sums: list[UsageSum], since_at: int, today: int) -> dict[str, Any]:
    """Day by day and model by model, and all of it together. `from` and `to` are the first and the last day."""
    rows = [
        {"date": _instant(each.group["day"])[:10], "model": each.group["model"], **_counts([each])} for each in sums
    ]
    return {
        "object": "usage.summary",
        "from": _instant(since_at)[:10],
        "to": _instant(today)[:10],
        "total": _counts(sums),
        "data": rows,
    }


def _counts(sums: list[UsageSum]) -> dict[str, Any]:
    def total(name: str) -> int:
        return sum(getattr(each, name) for each in sums)

    return {
        "calls": total("calls"),
        "failed_calls": total("failed_calls"),
        "interrupted_calls": total("interrupted_calls"),
        "estimated_calls": total("estimated_calls"),
        **_tokens(total),
        "cost_micro": total("charged_micro"),
    }


def _tokens(count: Callable[[str], int]) -> dict[str, Any]:
    """Buckets of `Usage` under the names of Anthropic's `usage` object: disjoint, so that they add up to the bill."""
    return {
        "input_tokens": count("input_tokens"),
        "output_tokens": count("output_tokens"),
        "reasoning_tokens": count("reasoning_tokens"),
        "cache_read_input_tokens": count("cache_read_tokens"),
        "cache_creation": {
            "ephemeral_5m_input_tokens": count("cache_write_5m_tokens"),
            "ephemeral_1h_input_tokens": count("cache_write_1h_tokens"),
            "ephemeral_30m_input_tokens": count("cache_write_30m_tokens"),
            "ephemeral_12h_input_tokens": count("cache_write_12h_tokens"),
        },
        "web_search_requests": count("web_search_requests"),
    }


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
