"""A model behind an address: it gets one image in a request, and answers with JSON.

json:      POST {"image": "<base64 of a PNG>"}, Content-Type application/json
multipart: POST a form whose file `image` is the PNG

Nothing else is sent: no name, no credentials, and to no other address. Whatever JSON comes back is kept as it is, and `reading`
finds the number in it.
"""

import base64
import time
from dataclasses import dataclass
from typing import Any, Literal, final

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from biasray.audit.targets.target import Probe, RefusedError, Target

AGAIN = (429, 500, 502, 503, 504)  # what is tried again
REFUSED = (400, 413, 415, 422)  # what is said of an image, and not of the address or of who asks
LONGEST = 60  # seconds that the other side can make us wait between two tries


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

    def __post_init__(self) -> None:
        if self.tries < 1 or not self.timeout > 0 or self.every < 0:
            raise ValueError("--tries must be 1 or more, --timeout above 0 seconds, --every 0 or more.")

    def answer(self, probe: Probe) -> Any:
        began = time.monotonic()
        try:
            response = self._sent(probe.image_png)
        except requests.RequestException as error:
            raise ValueError(f"{self.url} did not answer in {self.tries} tries ({type(error).__name__})") from error
        finally:
            time.sleep(max(0.0, self.every - (time.monotonic() - began)))
        said = f"{self.url} answered {response.status_code} {response.reason}: {response.text[:100]}"
        if response.status_code in REFUSED:
            raise RefusedError(said)
        if response.status_code != requests.codes.ok:
            raise ValueError(said)
        try:
            return response.json()
        except (requests.JSONDecodeError, RecursionError) as error:
            raise RefusedError(f"{self.url} answered what is no JSON: {response.text[:100]}") from error

    def _sent(self, image_png: bytes) -> requests.Response:
        retry = Retry(
            self.tries - 1,
            backoff_factor=0.25,
            backoff_max=LONGEST,
            retry_after_max=LONGEST,
            status_forcelist=AGAIN,
            allowed_methods=None,
            raise_on_status=False,
        )
        image: dict[str, Any] = (
            {"json": {"image": base64.b64encode(image_png).decode()}}
            if self.form == "json"
            else {"files": {"image": ("image.png", image_png, "image/png")}}
        )
        with requests.Session() as session:
            session.trust_env = False  # no credentials of this user's
            session.mount(self.url, HTTPAdapter(max_retries=retry))
            for left in reversed(range(self.tries)):
                try:
                    return session.post(self.url, timeout=self.timeout, allow_redirects=False, **image)
                except requests.exceptions.ChunkedEncodingError:  # an answer that breaks off, which Retry does not look at
                    if not left:
                        raise
                    time.sleep(retry.backoff_factor)
        raise AssertionError("one try or more was made")
