"""A scripted stand-in for the `claude` program: started with the same options, it prints the same lines.

What it does is written in the conversation itself: the first text of the user's is `{"acts": [...]}`, one act for each
answer the model has to give. An act is a list:

    ["say", piece, …]             an answer; with ["say", …, {"stop": "max_tokens"}] another stop reason
    ["slow", seconds, text]       the same after a while
    ["news", text]                the same after a line of a kind that is not known yet
    ["think", thinking, text]     thinking with a signature, then text
    ["tools", [id, name, input], …]   calls of tools, which it then asks the gateway for one after the other
    ["fail", status, message]     the API's error, in the words the CLI puts it
    ["cut", pieces]               the API's stream breaks off after so many pieces
    ["overload", pieces]          the API's error event after so many
    ["crash", pieces] ["hang", pieces]   the program itself does, after so many pieces (0: before the first event)
    ["grow", megabytes]           takes memory, then hangs
    ["stray"]                     calls a tool and goes on without its result

`mode` in its folder makes every process misbehave from the start: crash, hang, deaf (to SIGTERM), logged-out, mute.
`log.jsonl` there tells of each process (`args`, `env`, `system`) and of each question (`messages`), with `pid`.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VERSION = "2.1.197 (Claude Code)"
USAGE = {"input_tokens": 12, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100, "output_tokens": 1}


def install(folder: Path, *, version: str = VERSION, mode: str = "") -> Path:
    """An executable of the stand-in, which keeps its log in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "version").write_text(version)
    (folder / "mode").write_text(mode)
    program = folder / "claude"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{__file__}" "{folder}" "$@"\n')
    program.chmod(0o755)
    return program


def log(folder: Path) -> list[dict[str, Any]]:
    """What its processes have told so far."""
    path = folder / "log.jsonl"
    written = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in written if line.endswith("\n")]


class StandIn:
    """One process."""

    def __init__(self, folder: Path, args: list[str]) -> None:
        self._folder = folder
        self._args = args
        self._messages: list[dict[str, Any]] = []
        self._lines: Iterator[str] = iter(sys.stdin.readline, "")
        self._numbers = iter(range(1, 1_000_000))
        self._mode = (folder / "mode").read_text()

    def run(self) -> None:
        system = Path(self._option("--system-prompt-file")).read_text()
        self._log(args=self._args, env=dict(os.environ), system=system, cwd=os.getcwd())
        if self._mode == "crash":
            sys.stderr.write("TypeError: something is undefined\n")
            sys.exit(3)
        if self._mode == "hang":
            time.sleep(600)
        if self._mode == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for line in self._lines:
            self._take(json.loads(line))

    def _option(self, name: str) -> str:
        return self._args[self._args.index(name) + 1] if name in self._args else ""

    def _log(self, **fields: Any) -> None:
        with (self._folder / "log.jsonl").open("a") as file:
            file.write(json.dumps({"pid": os.getpid(), **fields}) + "\n")

    def _print(self, **line: Any) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    # Reading --------------------------------------------------------------------------------------------------------

    def _take(self, line: dict[str, Any]) -> None:
        if line["type"] == "control_request":
            self._connect(line["request"]["sdkMcpServers"])
            self._print(type="control_response", response={"subtype": "success", "request_id": line["request_id"]})
        elif line["type"] == "assistant":
            assert line["message"]["id"], "assistant lines without an id are merged"
            self._messages.append({"role": "assistant", "content": line["message"]["content"]})
        elif line["type"] == "user":
            content = line["message"]["content"]
            assert content[-1] == {"type": "text", "text": " "}, "the last text of a line is read as a command"
            self._messages.append({"role": "user", "content": content[:-1]})
            if line.get("shouldQuery") is False:
                self._print(type="result", subtype="success", is_error=False, result="", num_turns=0)
            else:
                self._print(type="system", subtype="init", model=self._option("--model"), mcp_servers=[])
                self._query()

    def _connect(self, servers: list[str]) -> None:
        for server in servers:
            self._ask_gateway(server, "initialize", {"protocolVersion": "2025-11-25"})
            self._ask_gateway(server, "notifications/initialized", None)
            self._log(tools=self._ask_gateway(server, "tools/list", None)["tools"])

    def _ask_gateway(self, server: str, method: str, params: dict[str, Any] | None) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if not method.startswith("notifications/"):
            message["id"] = number
        request = {"subtype": "mcp_message", "server_name": server, "message": message}
        self._print(type="control_request", request_id=f"control-{number}", request=request)
        answer = json.loads(next(self._lines))
        assert answer["response"]["request_id"] == f"control-{number}"
        return answer["response"]["response"]["mcp_response"]["result"]

    # Answering ------------------------------------------------------------------------------------------------------

    def _acts(self) -> list[list[Any]]:
        for message in self._messages:
            for block in message["content"]:
                if block["type"] == "text" and block["text"].startswith('{"acts"'):
                    return json.loads(block["text"])["acts"]
        return []

    def _query(self) -> None:
        self._log(messages=self._messages)
        if self._mode == "logged-out":
            self._error(None, "Not logged in · Please run /login")
            return
        if self._mode == "mute":
            self._print(type="result", subtype="success", is_error=False, result="/help is not available", num_turns=0)
            return
        answered = sum(message["role"] == "assistant" for message in self._messages)
        acts = self._acts()
        verb, *rest = acts[answered] if answered < len(acts) else ["say", "Hello ", "there."]
        getattr(self, f"_act_{verb}")(*rest)

    def _event(self, **event: Any) -> None:
        self._print(type="stream_event", event=event, session_id="s", parent_tool_use_id=None)

    def _start(self) -> None:
        self._print(type="system", subtype="status", status="requesting")
        message = {"id": f"msg_{os.getpid()}_{next(self._numbers)}", "type": "message", "role": "assistant"}
        message |= {"model": self._option("--model") or "m", "content": [], "stop_reason": None, "stop_sequence": None}
        self._event(type="message_start", message={**message, "usage": USAGE})

    def _blocks(self, *blocks: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
        for index, (block, deltas) in enumerate(blocks):
            self._event(type="content_block_start", index=index, content_block=block)
            for delta in deltas:
                self._event(type="content_block_delta", index=index, delta=delta)
            self._event(type="content_block_stop", index=index)

    def _stop(self, reason: str, content: list[dict[str, Any]]) -> None:
        self._event(
            type="message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 7}
        )
        self._event(type="message_stop")
        self._messages.append({"role": "assistant", "content": content})

    def _result(self) -> None:
        self._print(type="result", subtype="success", is_error=False, api_error_status=None, result="ok", num_turns=1)

    def _error(self, status: int | None, text: str) -> None:
        self._print(type="result", subtype="success", is_error=True, api_error_status=status, result=text, num_turns=1)

    def _act_say(self, *pieces: Any) -> None:
        stop = pieces[-1]["stop"] if isinstance(pieces[-1], dict) else "end_turn"
        texts = [piece for piece in pieces if isinstance(piece, str)]
        self._start()
        self._blocks(({"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in texts]))
        self._stop(stop, [{"type": "text", "text": "".join(texts)}])
        if stop == "max_tokens":
            self._query()  # it asks the model to go on, by itself
        self._result()

    def _act_slow(self, seconds: float, text: str) -> None:
        time.sleep(seconds)
        self._act_say(text)

    def _act_news(self, text: str) -> None:
        self._print(type="news", result={"read": 1}, is_error=None, request="none", request_id=5)
        self._act_say(text)

    def _act_think(self, thinking: str, text: str) -> None:
        self._start()
        deltas = [{"type": "thinking_delta", "thinking": thinking}, {"type": "signature_delta", "signature": "sig=="}]
        block = {"type": "thinking", "thinking": thinking, "signature": "sig=="}
        self._blocks(
            ({"type": "thinking", "thinking": "", "signature": ""}, deltas),
            ({"type": "text", "text": ""}, [{"type": "text_delta", "text": text}]),
        )
        self._stop("end_turn", [block, {"type": "text", "text": text}])
        self._result()

    def _act_tools(self, *calls: tuple[str, str, dict[str, Any]]) -> None:
        self._start()
        uses = [{"type": "tool_use", "id": i, "name": f"mcp__gw__{name}", "input": given} for i, name, given in calls]
        self._blocks(
            *(
                ({**use, "input": {}}, [{"type": "input_json_delta", "partial_json": json.dumps(use["input"])}])
                for use in uses
            )
        )
        self._stop("tool_use", uses)
        results = []
        for use in uses:
            params = {"name": use["name"].removeprefix("mcp__gw__"), "arguments": use["input"]}
            params["_meta"] = {"claudecode/toolUseId": use["id"], "progressToken": 1}
            result = self._ask_gateway("gw", "tools/call", params)
            results.append({"type": "tool_result", "tool_use_id": use["id"], "content": result["content"]})
        self._messages.append({"role": "user", "content": results})
        self._query()

    def _act_stray(self) -> None:
        self._start()
        use = {"type": "tool_use", "id": "toolu_stray", "name": "mcp__gw__look", "input": {}}
        self._blocks((use, []))
        self._stop("tool_use", [use])
        self._messages.append({"role": "user", "content": [{"type": "text", "text": "InputValidationError"}]})
        self._act_say("I go on alone.")

    def _act_fail(self, status: int, message: str) -> None:
        said = f"Request rejected (429) · {message}" if status == 429 else f"{status} {message}"
        if status == 429:
            self._print(
                type="rate_limit_event", rate_limit_info={"status": "rejected", "resetsAt": int(time.time()) + 90}
            )
        self._error(status, f"API Error: {said}")

    def _begin(self, pieces: int) -> None:
        if pieces:
            self._start()
            self._event(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
        for number in range(pieces):
            delta = {"type": "text_delta", "text": f"word{number} "}
            self._event(type="content_block_delta", index=0, delta=delta)

    def _act_cut(self, pieces: int) -> None:
        self._begin(pieces)
        self._error(None, "API Error: Connection to the API was lost (ECONNRESET).")

    def _act_overload(self, pieces: int) -> None:
        self._begin(pieces)
        self._error(None, "API Error: Overloaded")

    def _act_crash(self, pieces: int) -> None:
        self._begin(pieces)
        sys.stderr.write("Segmentation fault at 0x0\n")
        sys.stderr.flush()
        os._exit(9)

    def _act_hang(self, pieces: int) -> None:
        self._begin(pieces)
        time.sleep(600)

    def _act_grow(self, megabytes: int) -> None:
        self._begin(1)
        taken = bytearray(megabytes * 1024 * 1024)
        taken[::4096] = b"x" * len(taken[::4096])
        time.sleep(600)


def main() -> None:
    folder = Path(sys.argv[1])
    if "--version" in sys.argv:
        sys.stdout.write((folder / "version").read_text() + "\n")
        return
    if sys.argv[2:4] == ["auth", "status"]:
        sys.stdout.write(json.dumps({"loggedIn": (Path(os.environ["CLAUDE_CONFIG_DIR"]) / "login").exists()}))
        return
    if sys.argv[2:4] == ["auth", "login"]:
        (Path(os.environ["CLAUDE_CONFIG_DIR"]) / "login").write_text("yes")
        return
    StandIn(folder, sys.argv[2:]).run()


if __name__ == "__main__":
    main()
