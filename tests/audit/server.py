"""A black box for tests: answers JSON to images in JSON, fails as told, and notes every image that it answered.

python -m tests.audit.server PORT NOTES FAILING
"""

import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any


def age(image_png: bytes) -> float:
    """Of no meaning, but always the same."""
    return 20 + int(hashlib.sha256(image_png).hexdigest()[:4], 16) % 400 / 10


class Box(ThreadingHTTPServer):
    def __init__(self, port: int, notes: Path, failing: int = 0, status: int = 200, broken: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.notes, self.failing, self.status, self.calls = notes, failing, status, 0
        self.broken = broken  # answers that end after their headers, the first ones
        self.bodies, self.headers = list[bytes](), list[dict[str, str]]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/predict"


class Handler(BaseHTTPRequestHandler):
    server: Box

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        self.server.headers.append(dict(self.headers))
        self.server.calls += 1
        if self.server.failing and self.server.calls % self.server.failing == 0:
            self.send_error(503)
            return
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        if "json" not in self.headers["Content-Type"]:
            self.send_error(415)
            return
        image_png = base64.b64decode(json.loads(body)["image"])
        said = json.dumps({"faces": [{"age": age(image_png)}]}).encode()
        with self.server.notes.open("a") as notes:
            notes.write(hashlib.sha256(image_png).hexdigest() + "\n")
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.server.calls > self.server.broken:
            self.wfile.write(said)

    def log_message(self, *said: Any) -> None:
        pass


@contextmanager
def serving(notes: Path, failing: int = 0, status: int = 200, broken: int = 0) -> Iterator[Box]:
    with Box(0, notes, failing, status, broken) as box:
        thread = Thread(target=box.serve_forever)
        thread.start()
        yield box
        box.shutdown()
        thread.join()


if __name__ == "__main__":
    Box(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])).serve_forever()
