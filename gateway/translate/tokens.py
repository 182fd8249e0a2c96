"""How many tokens a prompt is, where nobody can be asked: for `count_tokens`, labelled as an estimate.

Text is counted with OpenAI's o200k vocabulary, which ships with `quicktok-v1`, and brought to the model's own by a
factor: a first guess by vendor, then what real usage shows (`observe`). Pictures and documents are counted by formula.
Never used for a bill.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Any, Protocol

import msgspec
from msgspec import Struct, field

from gateway.catalog import Model
from gateway.dialects.peek import DECODE_ERRORS
from gateway.translate.images import pdf_pages, picture_size
from gateway.translate.reading import compact

PICTURE_TOKENS = 1_600
"""A picture whose size is not known, at any vendor."""

_PER_REQUEST, _PER_MESSAGE, _PER_TOOL = 3, 4, 8
_TOOL_PROMPT = 400
"""What Anthropic puts in front of tools: 250 to 700 tokens by model and choice (documentation of October 2026)."""
_CLIENT_TOOLS = {"bash": 245, "text_editor": 700, "computer": 1_215, "browser": 1_215}
"""Tools whose definition Anthropic has itself: tokens by the beginning of their type."""
_PIXELS_PER_TOKEN = 750
_LARGEST_PICTURE = {False: 1_600, True: 4_800}
"""Claude's largest picture, before and since the tokenizer of April 2026."""
_TILE, _TILE_TOKENS, _BASE_TOKENS, _PATCHED_TOKENS = 512, 170, 85, 1_500
_PAGE_BYTES, _PAGE_TEXT_TOKENS = 3_000, 1_500

_NEW_CLAUDE_TOKENIZER_SINCE = int(datetime(2026, 4, 16, tzinfo=UTC).timestamp()) * 1000
_FACTORS = {"openai": 1.0, "anthropic": 1.15}
_NEW_CLAUDE_FACTOR, _OTHER_FACTOR = 1.4, 1.05
_BYTES_PER_TOKEN = 3

_NOT_TEXT = frozenset(
    (
        "type", "role", "id", "call_id", "tool_call_id", "tool_use_id", "cache_control", "prompt_cache_breakpoint",
        "status", "detail", "media_type", "file_id", "filename", "phase", "annotations", "logprobs", "caller",
    )
)  # fmt: skip
_ENCRYPTED = ("signature", "encrypted_content", "data")
_PROMPTS = ("system", "instructions")
_TURNS = ("messages", "input")
_SCHEMAS = ("response_format", "text", "output_config")

Count = Callable[[str], int]


class Corrections(Protocol):
    """`gateway.billing.estimates.Corrections`: actual over estimated tokens, by name."""

    def corrected(self, model_id: str, estimated_tokens: int) -> int: ...

    def observe(self, model_id: str, estimated_tokens: int, actual_tokens: int) -> None: ...


class Prompt(Struct):
    """A prompt, sorted by how its parts are counted. `texts` are in its order; `more` are tokens found by formula."""

    texts: list[str] = field(default_factory=list)
    more: int = 0


def estimate(body: bytes, model: Model, *, count: Count | None = None) -> int:
    """Tokens of a request body of any dialect, not yet corrected by `corrected`. At least 1.

    The first call loads the vocabulary (0.8 s, 80 MB); a megabyte of text then takes 8 ms. Meant for a thread.
    """
    try:
        request: Any = msgspec.json.decode(body)
        prompt = read_prompt(request if isinstance(request, dict) else {}, model)
    except DECODE_ERRORS:
        return max(1, len(body) // _BYTES_PER_TOKEN)
    text = "\n".join(prompt.texts).encode("utf-8", "replace").decode()
    counted = (count or vocabulary())(text)
    return max(1, math.ceil(counted * first_factor(model)) + prompt.more)


def corrected(estimated: int, model: Model, corrections: Corrections) -> int:
    """The estimate as real usage of the model has shown it to need correcting."""
    return max(1, corrections.corrected(_name(model), estimated))


def observe(estimated: int, actual: int, model: Model, corrections: Corrections) -> None:
    """Learn from a call that was made: its estimate, and all tokens of its prompt as the provider counted them."""
    corrections.observe(_name(model), estimated, actual)


def first_factor(model: Model) -> float:
    """Tokens of the model's own per token of o200k, before any usage is known.

    Claude's tokenizer of April 2026 makes about 30 % more of the same text than the one before it.
    """
    if model.vendor == "anthropic" and model.created_at >= _NEW_CLAUDE_TOKENIZER_SINCE:
        return _NEW_CLAUDE_FACTOR
    return _FACTORS.get(model.vendor, _OTHER_FACTOR)


@cache
def vocabulary() -> Count:
    """Counts tokens of o200k. Where the package has no build for this Python, a token is three bytes."""
    try:
        quicktok = import_module("quicktok")
    except ImportError:
        return lambda text: -(-len(text.encode()) // _BYTES_PER_TOKEN)
    found: Count = quicktok.get_encoding("o200k_base").count
    return found


def read_prompt(request: dict[str, Any], model: Model) -> Prompt:
    """Everything of a request that the model reads."""
    prompt = Prompt(more=_PER_REQUEST)
    for name in _PROMPTS:
        _read(request.get(name), prompt, model)
    for name in _TURNS:
        turns = request.get(name)
        prompt.more += _PER_MESSAGE * (len(turns) if isinstance(turns, list) else 1 if turns else 0)
        _read(turns, prompt, model)
    tools = request.get("tools")
    if isinstance(tools, list) and tools:
        prompt.more += _TOOL_PROMPT if model.vendor == "anthropic" else 0
        for tool in tools:
            _read_tool(tool, prompt)
    for name in _SCHEMAS:
        if isinstance(request.get(name), dict):
            prompt.texts.append(compact(request[name]))
    return prompt


def _read_tool(tool: Any, prompt: Prompt) -> None:
    prompt.more += _PER_TOOL
    if not isinstance(tool, dict):
        return
    kind = str(tool.get("type") or "")
    own = next((tokens for name, tokens in _CLIENT_TOOLS.items() if kind.startswith(name)), 0)
    prompt.more += own
    prompt.texts.append(compact({name: value for name, value in tool.items() if name not in ("type", "cache_control")}))


def _read(value: Any, prompt: Prompt, model: Model) -> None:
    """Collect text, and count what is none, in whatever shape a dialect has it."""
    if isinstance(value, str):
        prompt.texts.append(value)
    elif isinstance(value, list):
        for part in value:
            _read(part, prompt, model)
    elif isinstance(value, dict) and not _read_media(value, prompt, model):
        for name, member in value.items():
            if name in _NOT_TEXT:
                continue
            if name in _ENCRYPTED:
                # Encrypted reasoning is base64 of what is about four bytes a token.
                prompt.more += len(member) * 3 // 16 if isinstance(member, str) else 0
            elif name == "input" and isinstance(member, dict):
                prompt.texts.append(compact(member))
            else:
                _read(member, prompt, model)


def _read_media(part: dict[str, Any], prompt: Prompt, model: Model) -> bool:
    """Whether a part is a picture, a document or sound, whose tokens are then counted."""
    kind = part.get("type")
    if kind in ("image", "image_url", "input_image"):
        prompt.more += _picture(part, model)
    elif kind in ("document", "file", "input_file"):
        return _read_document(part, prompt, model)
    elif kind == "input_audio":
        sound = part.get("input_audio")
        data = sound.get("data") if isinstance(sound, dict) else None
        prompt.more += len(data) // 2_000 + 1 if isinstance(data, str) else 0
    else:
        return False
    return True


def _picture(part: dict[str, Any], model: Model) -> int:
    image = part.get("image_url")
    held = image if isinstance(image, dict) else part
    if model.vendor == "openai" and held.get("detail") == "low":
        return _BASE_TOKENS
    source = part.get("source")
    data = source.get("data") if isinstance(source, dict) else _data_of(held.get("url", image))
    size = picture_size(data) if isinstance(data, str) else None
    return PICTURE_TOKENS if size is None else picture_tokens(*size, model)


def picture_tokens(width: int, height: int, model: Model) -> int:
    """What a picture of this size costs. Claude counts pixels; OpenAI tiles, and patches on models that reason."""
    if model.vendor == "anthropic":
        most = _LARGEST_PICTURE[model.created_at >= _NEW_CLAUDE_TOKENIZER_SINCE]
        return min(most, -(-width * height // _PIXELS_PER_TOKEN))
    if model.vendor != "openai":
        return PICTURE_TOKENS
    if model.capabilities.efforts:
        return _PATCHED_TOKENS
    scale = min(1.0, 2_048 / max(width, height))
    scale = min(scale, 768 / min(width, height)) if min(width, height) * scale > 768 else scale
    tiles = math.ceil(width * scale / _TILE) * math.ceil(height * scale / _TILE)
    return _BASE_TOKENS + _TILE_TOKENS * tiles


def _read_document(part: dict[str, Any], prompt: Prompt, model: Model) -> bool:
    """A PDF by its pages. A document that is text, or parts of one, is read as such."""
    source = part.get("source")
    file = part.get("file")
    if isinstance(source, dict):
        data = source.get("data") if source.get("type") == "base64" else None
        if source.get("type") in ("text", "content"):
            _read(source.get("data") or source.get("content"), prompt, model)
            return True
    else:
        held = (file if isinstance(file, dict) else part).get("file_data")
        data = _data_of(held) or held
    pages = 1
    if isinstance(data, str):
        pages = pdf_pages(data) or max(1, len(data) * 3 // 4 // _PAGE_BYTES)
    prompt.more += pages * (PICTURE_TOKENS + _PAGE_TEXT_TOKENS)
    return True


def _data_of(url: Any) -> str | None:
    """The base64 of a data URL."""
    if not isinstance(url, str) or not url.startswith("data:"):
        return None
    return url.partition(";base64,")[2] or None


def _name(model: Model) -> str:
    """Corrections are kept beside those of the estimate for holds, which counts bytes and errs in another way."""
    return f"tokens:{model.id}"
