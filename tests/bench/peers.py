"""What else is installed that forwards HTTP, to measure beside the gateway: nginx as a plain reverse proxy."""

import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_START_LIMIT_S = 5

# One process, so that its CPU is all in one /proc entry. It keeps upstream connections, as the gateway does.
_NGINX = """
daemon off; master_process off; worker_rlimit_nofile 20000; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 16000; }}
http {{
  access_log off; client_max_body_size 64m;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  keepalive_requests 1000000;
  upstream mock {{ server 127.0.0.1:{upstream_port}; keepalive 6000; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""


def find_nginx() -> str | None:
    """The path of nginx, if it is installed."""
    return shutil.which("nginx")


class Nginx:
    """nginx before the mock upstream, from `with` to its end."""

    def __init__(self, program: str, folder: Path, upstream_port: int) -> None:
        self._program = program
        self._folder = folder
        self._upstream_port = upstream_port
        self.pid = 0
        self.port = 0

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "nginx.conf"
        configuration.write_text(
            _NGINX.format(folder=self._folder, port=self.port, upstream_port=self._upstream_port), encoding="utf-8"
        )
        self._process = subprocess.Popen([self._program, "-p", str(self._folder), "-c", str(configuration)])
        self.pid = self._process.pid
        begun = time.perf_counter()
        while time.perf_counter() - begun < _START_LIMIT_S:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.01)
        self._process.kill()
        self._process.wait()
        raise RuntimeError("nginx did not start.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
