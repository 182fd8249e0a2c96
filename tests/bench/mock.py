"""The mock upstream as a process, and the requests that tell it what to answer."""

import select
import subprocess
import sys
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import msgspec

MODEL = "gpt-5.5"
_START_LIMIT_S = 15


class Mock:
    """`python -m tests.fakes.server`, from `with` to its end."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.server"], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _START_LIMIT_S)
        line = self._process.stdout.readline() if ready else ""
        if not line.startswith("http"):
            self._process.kill()
            raise RuntimeError("The mock upstream did not start.")
        self.port = urlsplit(line.strip()).port or 0
        self.url = f"{line.strip()}/v1"
        self.pid = self._process.pid
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def chat_request(directive: str, *, secret: str, stream: bool, content: object = "Hi") -> bytes:
    """One POST of /v1/chat/completions. The mock finds in `user`, which gateways pass on, what to answer."""
    body = msgspec.json.encode(
        {
            "model": MODEL,
            "user": f"fake:{directive}",
            "max_completion_tokens": 2048,
            "stream": stream,
            "messages": [{"role": "user", "content": content}],
        }
    )
    return _post("/v1/chat/completions", body, secret)


def messages_request(directive: str, *, secret: str, stream: bool) -> bytes:
    """One POST of /v1/messages for the same model, whose account speaks Chat. Translation makes `user` of `user_id`."""
    body = msgspec.json.encode(
        {
            "model": MODEL,
            "metadata": {"user_id": f"fake:{directive}"},
            "max_tokens": 2048,
            "stream": stream,
            "messages": [{"role": "user", "content": "Hi"}],
        }
    )
    return _post("/v1/messages", body, secret)


def _post(path: str, body: bytes, secret: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {secret}\r\naccept: */*\r\nuser-agent: bench\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
