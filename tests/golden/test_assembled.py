"""The upstream streams of the worked cases as whole answers: valid for the SDKs, right for clients that want one."""

from typing import Any

import msgspec
import pytest

from tests.golden.playback import Playback
from tests.golden.sdk_clients import sse_bytes
from tests.golden.sdk_types import check_answer, missing_in, without_nulls
from tests.golden.test_golden import CASES
from tests.unit.assemblies import assembled, refused

STREAMED = [case for case in CASES if "upstream_stream" in case]


def cases(*, failing: bool) -> pytest.MarkDecorator:
    chosen = [case for case in STREAMED if bool(case.get("client_stream_fails")) is failing]
    assert chosen
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case["name"])


def whole(case: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = assembled(case["upstream"], sse_bytes(case["upstream_stream"]))
    return answer


@cases(failing=False)
def test_it_is_the_vendors_own_answer(case: dict[str, Any]) -> None:
    check_answer(case["upstream"], whole(case), case, "upstream_stream")


@cases(failing=False)
def test_the_client_reads_what_a_stream_would_have_left_it_with(case: dict[str, Any]) -> None:
    playback = Playback(case)
    playback.request()
    answer = playback.translator.translate_answer(msgspec.json.encode(whole(case)), playback.memo)
    assert answer.error is None
    body = msgspec.json.decode(answer.body)
    check_answer(case["client"], body, case, "client_stream")
    assert missing_in(_compact(without_nulls(case.get("client_final", {}))), body) == []


@cases(failing=True)
def test_a_failed_stream_is_no_answer(case: dict[str, Any]) -> None:
    assert refused(case["upstream"], sse_bytes(case["upstream_stream"])).status >= 400


def _compact(value: Any) -> Any:
    """Arguments as whole answers have them: compact, where a stream passes on the upstream's spaces."""
    if isinstance(value, dict):
        return {name: _arguments(each) if name == "arguments" else _compact(each) for name, each in value.items()}
    return [_compact(each) for each in value] if isinstance(value, list) else value


def _arguments(text: str) -> str:
    return msgspec.json.encode(msgspec.json.decode(text)).decode()
