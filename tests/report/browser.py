"""A page in a real browser."""

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

# What a reader would notice: pictures that did not load, drawings without size, a page wider than the window.
LOOK = """<script>addEventListener("load", () => { document.title = JSON.stringify({
  broken: [...document.images].filter(i => !i.naturalWidth).length,
  images: document.images.length,
  flat: [...document.querySelectorAll("svg")].filter(s => s.getBoundingClientRect().height < 20).length,
  wide: document.documentElement.scrollWidth - innerWidth,
  text: document.body.innerText }) })</script>"""


def look(file: Path, width: int = 1000) -> dict[str, Any]:
    """What a reader of the page would see in a window of this width; skips the test where there is no Chromium."""
    browser = shutil.which("chromium")
    if not browser:
        pytest.skip("chromium is not installed")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        page.write_text(file.read_text().replace("</body>", LOOK + "</body>"))
        words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
        ended = subprocess.run(
            [browser, *words, f"--window-size={width},1200", "--dump-dom", f"file://{page}"],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
    found = re.search(r"<title>(\{.*?\})</title>", ended.stdout, re.S)
    assert found, ended.stdout[:500]
    seen: dict[str, Any] = json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    return seen
