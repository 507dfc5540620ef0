"""A model behind an address: it gets one image in a request, and answers with JSON.

json:      POST {"image": "<base64 of a PNG>"}, Content-Type application/json
multipart: POST a form whose file `image` is the PNG

Nothing else is sent. Whatever JSON comes back is kept as it is, and `reading` finds the number in it.
"""

import base64
import time
from dataclasses import dataclass
from typing import Any, Literal, final

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from biasray.audit.targets.target import Probe, SilentError, Target

AGAIN = (429, 500, 502, 503, 504)  # what is tried again


@final
@dataclass(frozen=True, kw_only=True)
class Http(Target):
    url: str
    form: Literal["json", "multipart"] = "json"
    timeout: float = 30.0
    """Seconds to wait for an answer, each time."""
    tries: int = 8
    """Of one question, with pauses that double; together they cost one question of the budget."""
    every: float = 0.0
    """Seconds between two questions, at least."""

    def answer(self, probe: Probe) -> Any:
        began = time.monotonic()
        retry = Retry(
            self.tries - 1,
            backoff_factor=0.25,
            backoff_max=30,
            status_forcelist=AGAIN,
            allowed_methods=None,
            raise_on_status=False,
        )
        sent: dict[str, Any] = (
            {"json": {"image": base64.b64encode(probe.image_png).decode()}}
            if self.form == "json"
            else {"files": {"image": ("image.png", probe.image_png, "image/png")}}
        )
        try:
            with requests.Session() as session:
                session.mount(self.url, HTTPAdapter(max_retries=retry))
                response = session.post(self.url, timeout=self.timeout, **sent)
        except requests.RequestException as error:
            raise SilentError(f"{self.url} did not answer in {self.tries} tries ({type(error).__name__})") from error
        if not response.ok:
            said = SilentError if response.status_code in AGAIN else ValueError
            raise said(f"{self.url} answered {response.status_code} {response.reason}: {response.text[:100]}")
        try:
            found = response.json()
        except requests.JSONDecodeError as error:
            raise ValueError(f"{self.url} answered what is no JSON: {response.text[:100]}") from error
        time.sleep(max(0.0, self.every - (time.monotonic() - began)))
        return found
