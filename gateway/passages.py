"""How one call goes to one account: as it came, or translated. The relay sees no difference."""

from typing import Any

import msgspec
import structlog

from gateway.catalog import Model
from gateway.clock import now_ms
from gateway.dialects import dialect_named
from gateway.dialects.base import Answer, Peek, StreamReader
from gateway.records import Account, DialectName
from gateway.services import Services
from gateway.terms import Inbound, Terms
from gateway.translate import translator
from gateway.translate.base import Context, Flavour, options_from
from gateway.translate.response_store import is_wanted
from gateway.upstream.attempt import AttemptFailed, Passage
from gateway.upstream.cooldown import Cause, Failure
from gateway.upstream.serving import Seat, is_vendor

logger = structlog.get_logger(__name__)

WRONG_OPTIONS = Failure(Cause.CREDENTIALS, "account", status=503)
PATHS: dict[DialectName, str] = {"messages": "/messages", "chat": "/chat/completions", "responses": "/responses"}


class Native:
    """The client's own bytes, but for the edits every native request gets."""

    warnings: tuple[str, ...] = ()

    def __init__(self, terms: Terms, seat: Seat) -> None:
        inbound, options = terms.inbound, seat.account.options
        self._terms = terms
        self.dialect = inbound.dialect
        self.path = inbound.path
        self.body = inbound.dialect.edit(
            terms.peek,
            model=seat.upstream_model,
            output_limit=terms.output_limit,
            force_usage=bool(options.get("include_usage", True)),
            limit_field=str(options["limit_field"]) if "limit_field" in options else None,
        )

    def reader(self) -> StreamReader:
        return self.dialect.reader(echo_model=self._terms.peek.model, peek=self._terms.peek)

    def read(self, body: bytes) -> Answer:
        return self.dialect.read_body(body, echo_model=self._terms.peek.model)

    def resume(self, body: bytes) -> bytes | None:
        return None


class Translation:
    """The request in the upstream's dialect, the answer in the client's. Raises BadRequest for what has no equal."""

    def __init__(self, terms: Terms, seat: Seat, services: Services) -> None:
        self._translator = translator(terms.dialect_name, seat.dialect)
        context = context_of(
            terms.inbound,
            terms.peek,
            terms.model,
            seat,
            services,
            output_limit=terms.output_limit,
            input_tokens=terms.input_tokens,
            history=terms.history,
        )
        translated = self._translator.translate_request(terms.peek.fields, context)
        self._memo = translated.memo
        self.dialect = dialect_named(seat.dialect)
        self.path = PATHS[seat.dialect]
        self.body = translated.body
        self.warnings = translated.warnings

    def reader(self) -> StreamReader:
        return self._translator.reader(self._memo)

    def read(self, body: bytes) -> Answer:
        return self._translator.translate_answer(body, self._memo)

    def resume(self, body: bytes) -> bytes | None:
        return self._translator.resume(body, self._memo)


def context_of(
    inbound: Inbound,
    peek: Peek,
    model: Model,
    seat: Seat,
    services: Services,
    *,
    output_limit: int | None = None,
    input_tokens: int = 0,
    history: tuple[dict[str, Any], ...] = (),
) -> Context:
    """What a translator is told of a call beside its body."""
    account, headers = seat.account, inbound.headers
    customer_id = inbound.caller.customer.id
    return Context(
        headers=headers,
        model=model,
        upstream_model=seat.upstream_model,
        asked_model=peek.model,
        flavour=flavour_of(account, seat.dialect),
        signer=services.signer,
        memory=services.reasoning.of(customer_id, account.id, model.id),
        options=options_from(account.options),
        policy=inbound.caller.tier.translation,
        output_limit=output_limit,
        input_tokens=input_tokens,
        now_s=now_ms() // 1000,
        call_id=inbound.id,
        is_kept=is_wanted(peek.fields),
        history=history,
        tenant=str(customer_id),
        session=headers.get("x-claude-code-session-id") or headers.get("session-id", ""),
    )


def flavour_of(account: Account, dialect: DialectName) -> Flavour:
    """Whose way of speaking the account has. The option `flavour: openai` marks a server that is as OpenAI itself."""
    if dialect == "messages":
        return "anthropic"
    if account.kind == "simulated" or is_vendor(account) or account.options.get("flavour") == "openai":
        return "openai"
    return "generic"


def passage(terms: Terms, seat: Seat, services: Services) -> Passage:
    """The way of this call to this account."""
    if seat.dialect == terms.dialect_name:
        return Native(terms, seat)
    try:
        return Translation(terms, seat, services)
    except msgspec.ValidationError as error:
        logger.error("account_options_wrong", account=seat.account.name, error=str(error))
        raise AttemptFailed(WRONG_OPTIONS) from error
