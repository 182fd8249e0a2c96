"""What races have cost beside their losers, whose cost is in the roll-ups."""

from gateway.store.database import Database, rows
from gateway.store.queries.calls import id_floor


def unanswered_hedges_micro(database: Database, *, since_at: int) -> int:
    """Micro-dollars of attempts made beside another that neither won nor lost: they failed, or ended with their call.

    It reads every attempt of calls begun since, so it is for the start of a process.
    """
    ((cost_micro,),) = rows(
        database,
        "SELECT coalesce(sum(attempts.cost_micro), 0) FROM attempts JOIN calls ON calls.id = call_id "
        "WHERE call_id >= ? AND reason IN ('hedge', 'race') AND attempts.outcome IN ('failed', 'cancelled') "
        "AND attempts.account_id IS NOT calls.account_id",
        (id_floor(since_at),),
    )
    return int(cost_micro)
