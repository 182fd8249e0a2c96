"""What monitors and curious people ask without a key: /, /health, /healthz, /readyz, /metrics."""

import gateway
from gateway.clock import now_ms
from gateway.edge.pages.page import Asked, Page, json_page
from gateway.observe.metrics import CONTENT_TYPE
from gateway.services import Services


async def show_root(asked: Asked) -> Page:
    """What this is and where to go on. Claude Code asks for it before every session."""
    links = {"models": "/v1/models", "health": "/healthz"}
    if asked.services.settings.docs_enabled:
        links |= {"docs": "/docs", "openapi": "/openapi.json"}
    return json_page({"name": "Trigate", "version": gateway.__version__, "links": links})


async def show_health(asked: Asked) -> Page:
    """The process answers. Whether it can serve calls is /readyz' business."""
    uptime_s = max(0, now_ms() - asked.services.started_at) // 1000
    return json_page({"status": "ok", "version": gateway.__version__, "uptime_s": uptime_s})


async def show_readiness(asked: Asked) -> Page:
    """200 while new calls are taken, otherwise 503.

    A gateway without accounts is ready: it answers, and says so. Failing here would have a load balancer hide what
    the operator needs to see, and none of it heals by waiting.
    """
    services = asked.services
    is_ready = services.state_word == "ready"
    body = {
        "status": "ready" if is_ready else "not ready",
        "reasons": [] if is_ready else [services.state_word.removeprefix("not ready: ")],
        "warnings": _warnings(services),
    }
    return json_page(body, 200 if is_ready else 503)


async def show_metrics(asked: Asked) -> Page:
    """Prometheus' text format."""
    return Page(asked.services.metrics.render(), CONTENT_TYPE, headers=[(b"cache-control", b"no-store")])


def _warnings(services: Services) -> list[str]:
    accounts = services.configuration.snapshot.accounts
    if not accounts:
        return ["there are no accounts: `trigate accounts add` makes one"]
    if not services.configuration.served:
        return ["no enabled account serves any model"]
    cooling = services.pool.cooling()
    return [f"{cooling} accounts or models of accounts are cooling down"] if cooling else []
