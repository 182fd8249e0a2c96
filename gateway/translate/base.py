"""What every pair of dialects has in common: what a translator is given, what it makes, what it remembers in between.

A pair is a module named `CLIENT_UPSTREAM`. It reads a request of the client's dialect and writes one of the upstream's,
then reads the upstream's answer and writes the client's. Nothing here waits, reads a clock or draws a random number:
the same request becomes the same bytes on every turn, or prompt caches would miss.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from gateway.catalog import Model
from gateway.dialects.base import Answer, StreamReader
from gateway.records import DialectName

Flavour = Literal["openai", "generic", "anthropic"]
"""Whose way of speaking a dialect the upstream has: OpenAI itself, a compatible server, Anthropic."""

Policy = Literal["normal", "strict", "lenient"]
"""`strict`: what would be dropped is refused. `lenient`: what would be refused gets its fallback, where it has one."""

Blocks = list[dict[str, Any]]
"""Content blocks of the Messages dialect, as decoded JSON."""


class Signer(Protocol):
    """Wraps what only this gateway may read in a field that clients carry for us."""

    def seal(self, payload: dict[str, str]) -> str:
        """The same text for the same payload, always."""
        ...

    def open(self, text: str) -> dict[str, str] | None:
        """The payload, or None for anything this gateway did not seal."""
        ...


class ReasoningMemory(Protocol):
    """Reasoning that the client cannot carry, by the id of the tool call it led to.

    Whoever hands it in has bound it to the customer, the account and the model. It forgets after a while.
    """

    def get(self, call_id: str) -> Blocks | None: ...

    def put(self, call_id: str, blocks: Blocks) -> None: ...


class Options(Struct, frozen=True):
    """Switches of an account (`Account.options`) that change how calls are translated for it."""

    default_max_tokens: int = 32_000
    """Output limit for Messages upstreams where the caller named none; never above the model's own."""
    limit_field: str = ""
    """Member of a Chat body that holds the limit; empty: what the flavour calls it."""
    include_usage: bool = True
    """Whether a Chat server takes `stream_options`."""
    late_system: Literal["keep", "user_wrap"] = "keep"
    """What becomes of system messages after the first turn on generic Chat servers."""
    reasoning_field: Literal["none", "reasoning_content", "reasoning"] = "none"
    """The member in which Chat clients are shown reasoning."""
    remember_reasoning: bool = True
    """Ask OpenAI for its encrypted reasoning, and give it back in the tool loops of Chat clients, which cannot."""
    replay_reasoning: bool = False
    """Give a generic Chat server its own reasoning back in `reasoning_content`."""
    file_input: bool = False
    """Whether a generic Chat server takes `file` parts."""
    forced_tool_choice: Literal["reject", "auto"] = "reject"
    """A forced tool on a model that takes none: refuse, or let the model choose."""
    web_search: str = "web_search_20250305"
    """The version of Claude's web search tool that stands for OpenAI's; empty: refuse."""
    chat_web_search: bool = False
    """Whether a Chat upstream takes `web_search_options`."""
    auto_cache: bool = True
    """Mark the prompt for Claude's cache where an OpenAI client, which has no need to, marked nothing."""
    prompt_cache_key: bool = False
    """Send a `prompt_cache_key` made of customer and client session to OpenAI."""
    append_user: str = ""
    """Text of a user turn to put after a trailing assistant turn; empty: refuse such a request."""
    custom_tool_stream: Literal["reject", "custom"] = "reject"
    """Freeform tools in a Chat stream, which has no shape for them: refuse, or one fragment of type `custom`."""
    stream_annotations: bool = False
    """Send citations at the end of a Chat stream, in a chunk of a form the vendor does not have."""
    structured_output: Literal["emulate", "reject"] = "emulate"
    """A schema for a model that enforces none: ask for it in words, or refuse."""
    pause_turn_max_resumes: int = 3
    """How often a paused turn of Claude is resumed before the answer ends as it stands."""
    start_usage: Literal["zero", "estimate"] = "estimate"
    """What `message_start` says of the prompt, whose length an OpenAI upstream tells only at the end."""
    fast_is_priority: bool = False
    """Serve Claude's `speed: fast` as OpenAI's priority tier, at its price."""


def options_from(options: Mapping[str, str | int | float | bool]) -> Options:
    """The switches among an account's options; what is not one of them is somebody else's. Raises ValidationError."""
    known = {name: options[name] for name in Options.__struct_fields__ if name in options}
    return msgspec.convert(known, Options)


class Context(Struct, frozen=True):
    """Everything about a call that is not in its body.

    `model` is what will answer: its capabilities and limits decide. `asked_model` is what the client called it, and
    what it reads in the answer. `output_limit` is the most that may be asked for (None: nothing but the model limits
    it). `input_tokens` is the estimate for `message_start`. `now_s` becomes `created`. `tenant` and `session` name the
    customer and the conversation for cache keys. `call_id` is the gateway's own id of the call, for answers that have
    none and for responses that the gateway keeps (`is_kept`). `history` are the stored items, input and output, of the
    response that `previous_response_id` names.
    """

    headers: Mapping[str, str]
    model: Model
    upstream_model: str
    asked_model: str
    flavour: Flavour
    signer: Signer
    memory: ReasoningMemory
    options: Options = Options()
    policy: Policy = "normal"
    output_limit: int | None = None
    input_tokens: int = 0
    now_s: int = 0
    call_id: str = ""
    is_kept: bool = False
    history: tuple[dict[str, Any], ...] = ()
    tenant: str = ""
    session: str = ""


class Memo(Struct):
    """What the way back needs to know of the way there. One per attempt.

    `names` are the tools that had to be renamed, upstream's name -> client's. `custom_tools` are the client's names of
    freeform tools that went out as functions. `stop_sequences` are those the gateway has to watch for itself.
    `echo` holds members of the request that the answer repeats (Responses). `request` is the upstream's body, decoded,
    where a paused turn may need it again; `legs` are the answers that paused, oldest first.
    """

    context: Context
    stream: bool = False
    include_usage: bool = False
    include_encrypted: bool = False
    names: dict[str, str] = {}
    custom_tools: frozenset[str] = frozenset()
    stop_sequences: tuple[str, ...] = ()
    json_object: bool = False
    echo: dict[str, Any] = {}
    request: dict[str, Any] = {}
    legs: list[dict[str, Any]] = []
    facts: dict[str, Any] = {}
    """Anything else a pair's two halves tell each other."""

    def client_name(self, upstream_name: str) -> str:
        """A tool's name as the client declared it."""
        return self.names.get(upstream_name, upstream_name)

    @property
    def resumes_left(self) -> int:
        return self.context.options.pause_turn_max_resumes - len(self.legs)


class Translated(Struct):
    """A request as the upstream wants it. `warnings` are `dropped:…`, `clamped:…` and `emulated:…`, without doubles."""

    body: bytes
    memo: Memo
    warnings: tuple[str, ...] = ()


class TranslatingReader(StreamReader, Protocol):
    """A `StreamReader` whose frames are in the client's dialect, so that nobody notices the answer is translated.

    `resume` is the exception: where the upstream paused its turn, it is the body that makes it go on. The reader that
    has set it ended neither well nor badly (its last batch has neither terminal nor error); whoever drives it sends
    that body to the same account and feeds the new answer to the same reader.
    """

    resume: bytes | None


class Translator(Protocol):
    """One pair of dialects. Implemented by the modules named for them."""

    client: DialectName
    upstream: DialectName

    def translate_request(self, fields: dict[str, msgspec.Raw], context: Context) -> Translated:
        """The upstream's request. Raises BadRequest naming the client's field."""
        ...

    def count_body(self, fields: dict[str, msgspec.Raw], context: Context) -> bytes:
        """The upstream's body for a token count of the translated request. Raises BadRequest."""
        ...

    def reader(self, memo: Memo) -> TranslatingReader:
        """A reader for one attempt's stream."""
        ...

    def resume(self, body: bytes, memo: Memo) -> bytes | None:
        """The body that makes a paused whole answer go on, or None. The memo remembers the part that is here."""
        ...

    def translate_answer(self, body: bytes, memo: Memo) -> Answer:
        """A whole answer in the client's dialect, with every part that paused before it."""
        ...
