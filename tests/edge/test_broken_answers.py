"""Answers that fail: a 500 where nothing was sent, and otherwise an end that no client can take for a clean one."""

from typing import Any

import structlog

from tests.edge.loopback import GET, application, read_body, respond, serving


async def test_a_header_with_a_line_break_is_not_sent() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, headers=[(b"x-note", b"a\r\nset-cookie: evil")])

    with structlog.testing.capture_logs() as logs:
        async with serving(app) as server:
            answer = await server.ask(GET)

    assert answer.status == 500
    assert "set-cookie" not in answer.headers
    assert [entry["event"] for entry in logs] == ["request failed"]


async def test_an_application_that_fails_before_its_answer_gives_a_500() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("secret detail")

    with structlog.testing.capture_logs() as logs:
        async with serving(app) as server:
            answer = await server.ask(GET)

    assert answer.status == 500
    assert b"secret" not in answer.body
    assert [(entry["event"], entry["path"]) for entry in logs] == [("request failed", "/")]


async def test_an_application_that_ends_without_an_answer_gives_a_500() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async with serving(app) as server:
        assert (await server.ask(GET)).status == 500


async def test_an_application_that_fails_in_its_answer_leaves_it_visibly_cut() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError

    with structlog.testing.capture_logs():
        async with serving(app) as server:
            answer = await server.ask(GET)

    assert (answer.body, answer.whole) == (b"half", False)


async def test_a_body_shorter_than_its_length_is_visibly_cut() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"abc", headers=[(b"content-length", b"5")])

    with structlog.testing.capture_logs() as logs:
        async with serving(app) as server, server.connect() as client:
            await client.send(GET)
            assert await client.closed()

    assert [entry["event"] for entry in logs] == ["request failed"]


async def test_abort_leaves_a_chunked_answer_without_its_end() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await send({"type": "trigate.abort"})

    async with serving(app) as server:
        answer = await server.ask(GET)

    assert (answer.body, answer.whole) == (b"half", False)


async def test_abort_resets_where_closing_would_look_like_the_end() -> None:
    @application
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await read_body(receive)
        await send({"type": "trigate.abort"})

    async with serving(app) as server, server.connect() as client:
        await client.send(b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n")
        await client.answer(to_head=True)
        await client.send(b"x")
        assert await client.reset()
