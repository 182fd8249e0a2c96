"""Requests and answers on a real socket: what HTTP/1.1 clients see."""

import contextvars
from typing import Any

import msgspec
import pytest
import trio

from tests.edge.loopback import GET, Answer, application, echo, respond, serving

CONTINUE_POST = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"


def seen(answer: Answer) -> dict[str, Any]:
    return msgspec.json.decode(answer.body)


async def test_the_scope_is_what_was_asked() -> None:
    async with serving(echo) as server, server.connect() as client:
        await client.send(b"POST /v1%2Fx?a=b HTTP/1.1\r\nHost: here\r\nX-Api-Key: k\r\nContent-Length: 2\r\n\r\nhi")
        answer = await client.answer()
        port = client.stream.socket.getsockname()[1]

    assert seen(answer) == {
        "method": "POST",
        "path": "/v1%2Fx",
        "raw_path": "/v1%2Fx",
        "query": "a=b",
        "http_version": "1.1",
        "scheme": "http",
        "client": ["127.0.0.1", port],
        "server": ["127.0.0.1", server.port],
        "headers": [["host", "here"], ["x-api-key", "k"], ["content-length", "2"]],
        "body": "hi",
    }


async def test_a_whole_answer_is_one_segment_with_a_length_and_a_date() -> None:
    async with serving(echo) as server, server.connect() as client:
        await client.send(GET)
        data = await client.stream.receive_some()

    head, _, body = data.partition(b"\r\n\r\n")
    assert b"\r\ncontent-length: %d\r\n" % len(body) in head
    assert b"\r\ndate: " in head
    assert b"connection:" not in head


async def test_requests_follow_each_other_on_one_connection() -> None:
    async with serving(echo) as server, server.connect() as client:
        for number in range(3):
            await client.send(b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" % number)
            assert seen(await client.answer())["path"] == f"/{number}"
        assert len(server.drain.connections) == 1


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving(echo) as server, server.connect() as client:
        await client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(20)))

        assert [seen(await client.answer())["path"] for _ in range(20)] == [f"/{number}" for number in range(20)]


async def test_pipelined_requests_before_a_malformed_one_are_answered_first() -> None:
    async with serving(echo) as server, server.connect() as client:
        await client.send(GET + GET + b"GET / HTTP/1.1\r\n\r\n" + GET)

        assert [(await client.answer()).status for _ in range(3)] == [200, 200, 400]
        assert await client.closed()


async def test_a_refusal_is_json_that_says_why() -> None:
    async with serving(echo) as server, server.connect() as client:
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        answer = await client.answer()

        assert answer.headers["connection"] == "close"
        assert seen(answer) == {
            "error": {"type": "invalid_request_error", "message": "The request has no Host header."}
        }
        assert await client.closed()


async def test_connection_close_is_honoured() -> None:
    async with serving(echo) as server, server.connect() as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

        assert (await client.answer()).headers["connection"] == "close"
        assert await client.closed()


async def test_the_application_can_close_the_connection() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"bye", headers=[(b"connection", b"close")])

    async with serving(app) as server, server.connect() as client:
        await client.send(GET)

        assert (await client.answer()).headers["connection"] == "close"
        assert await client.closed()


async def test_http_1_0_closes_unless_asked_to_keep() -> None:
    async with serving(echo) as server, server.connect() as client:
        await client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        kept = await client.answer()
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        last = await client.answer()

        assert kept.headers["connection"] == "keep-alive"
        assert last.headers["connection"] == "close"
        assert await client.closed()


@application
async def stream_abc(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for part in (b"a", b"", b"b", b"c"):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


async def test_a_streamed_answer_is_chunked() -> None:
    async with serving(stream_abc) as server, server.connect() as client:
        await client.send(GET + GET)

        for _ in range(2):
            answer = await client.answer()
            assert answer.headers["transfer-encoding"] == "chunked"
            assert (answer.body, answer.whole) == (b"abc", True)


async def test_a_streamed_answer_to_http_1_0_ends_with_the_connection() -> None:
    async with serving(stream_abc) as server:
        answer = await server.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")

    assert answer.body == b"abc"
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["connection"] == "close"


async def test_each_part_of_a_stream_leaves_at_once() -> None:
    go_on = trio.Event()

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"end"})

    async with serving(app) as server, server.connect() as client:
        await client.send(GET)
        assert (await client.answer(to_head=True)).status == 200
        go_on.set()
        assert await client.stream.receive_some() == b"3\r\nend\r\n0\r\n\r\n"


@pytest.mark.parametrize("handler", [echo, stream_abc])
async def test_head_gets_no_body_and_the_connection_goes_on(handler: Any) -> None:
    async with serving(handler) as server, server.connect() as client:
        await client.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.answer(to_head=True)
        await client.send(GET)

        assert (await client.answer()).status == 200


async def test_head_says_how_long_the_body_would_be() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"seven..")

    async with serving(app) as server, server.connect() as client:
        await client.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")

        assert (await client.answer(to_head=True)).headers["content-length"] == "7"


async def test_no_content_has_neither_length_nor_body() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"", status=204)

    async with serving(app) as server, server.connect() as client:
        await client.send(GET + GET)
        answers = [await client.answer(), await client.answer()]

    assert [answer.status for answer in answers] == [204, 204]
    assert "content-length" not in answers[0].headers


async def test_an_overloaded_status_has_its_phrase() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, status=529)

    async with serving(app) as server, server.connect() as client:
        await client.send(GET)

        assert (await client.stream.receive_some()).startswith(b"HTTP/1.1 529 Overloaded\r\n")


async def test_a_body_that_came_with_its_head_is_one_message() -> None:
    bodies = []

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        bodies.append(await receive())
        await respond(send)

    async with serving(app) as server, server.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        await client.answer()

    assert bodies == [{"type": "http.request", "body": b"abc", "more_body": False}]


async def test_continue_is_said_when_the_application_asks_for_the_body() -> None:
    async with serving(echo) as server, server.connect() as client:
        await client.send(CONTINUE_POST)
        assert (await client.answer()).status == 100
        await client.send(b"hello")

        assert seen(await client.answer())["body"] == "hello"


async def test_continue_is_not_said_when_the_application_refuses_without_the_body() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"too large", status=413)

    async with serving(app) as server, server.connect() as client:
        await client.send(CONTINUE_POST)
        answer = await client.answer()

        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert await client.closed()


async def test_continue_is_not_said_when_the_body_is_already_there() -> None:
    async with serving(echo) as server, server.connect() as client:
        await client.send(CONTINUE_POST + b"hello")

        assert (await client.answer()).status == 200


async def test_a_client_still_sending_reads_the_answer_that_refuses_it() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await respond(send, b"too large", status=413)

    async with serving(app, linger_s=2.0) as server, server.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n")
        for _ in range(80):
            await client.send(100_000 * b"x")

        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")


async def test_a_malformed_body_is_refused_and_the_application_told() -> None:
    messages = []
    begun = trio.Event()

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not messages or messages[-1]["type"] == "http.request":
            messages.append(await receive())
            begun.set()

    async with serving(app) as server, server.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await begun.wait()
        await client.send(b"oops\r\n")

        assert (await client.answer()).status == 400
        assert await client.closed()
    assert messages[-1] == {"type": "http.disconnect"}


async def test_a_websocket_upgrade_reaches_the_application_as_a_plain_request() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        upgrade = dict(scope["headers"])[b"upgrade"]
        await respond(send, b"no " + upgrade, status=426, headers=[(b"upgrade", b"websocket")])

    async with serving(app) as server, server.connect() as client:
        await client.send(
            b"GET /v1/responses HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x85\x00\x00"
        )
        answer = await client.answer()

        assert (answer.status, answer.body) == (426, b"no websocket")
        assert answer.headers["connection"] == "upgrade, close"
        assert await client.closed()


async def test_no_request_sees_the_context_variables_of_another() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        found = variable.get()
        variable.set("set")
        await respond(send, found.encode())

    async with serving(app) as server, server.connect() as client:
        await client.send(GET + GET)
        pipelined = [(await client.answer()).body for _ in range(2)]
        await client.send(GET)

        assert [*pipelined, (await client.answer()).body] == [b"unset"] * 3
