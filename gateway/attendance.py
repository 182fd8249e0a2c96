"""What an open call needs while nothing happens to it: keep-alives, money for what may be coming, a checkpoint.

One service task looks at every open call each `checkpoint_every_s`. Only calls that something is due for cost anything.
"""

import trio

from gateway.errors import OutOfCredit
from gateway.open_calls import OpenCall
from gateway.relay import stream_headers
from gateway.services import Services


async def attend_open_calls(services: Services) -> None:
    """Service task. Runs until cancelled."""
    async with trio.open_nursery() as nursery:
        while True:
            await trio.sleep(services.settings.checkpoint_every_s)
            now = trio.current_time()
            for call in services.open_calls:
                if not call.settled:
                    _attend(call, services, now, nursery)
            due = [call.checkpoint() for call in services.open_calls if call.needs_checkpoint(now)]
            if due:
                services.ledger.checkpoint([call for call, _ in due], [each for _, made in due for each in made])


def _attend(call: OpenCall, services: Services, now: float, nursery: trio.Nursery) -> None:
    if not call.terms.peek.stream:
        return
    silent_s = now - call.heard_at(now)
    try:
        call.reserve_for_silence(silent_s)
    except OutOfCredit as error:
        call.cut(error)
        return
    settings = services.settings
    wait_s = settings.keepalive_every_s if call.client.started else settings.keepalive_after_s
    if silent_s >= wait_s and now - call.kept_alive_at >= settings.keepalive_every_s:
        call.kept_alive_at = now
        nursery.start_soon(_keep_waiting, call, services)


async def _keep_waiting(call: OpenCall, services: Services) -> None:
    """One keep-alive. A client that is gone is noticed by the call itself, so its loss is no news here."""
    try:
        if not call.client.started:
            await call.client.start(200, stream_headers(call))
        await call.client.keep_alive(lambda: _frame(call))
    except OSError:
        return


def _frame(call: OpenCall) -> bytes:
    """Made when the client's line is free: which block is open may have changed while waiting for it."""
    if call.reader is not None:
        return call.reader.keepalive()
    return call.terms.inbound.dialect.opening_keepalive(call.terms.inbound.headers)
