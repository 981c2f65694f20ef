"""A headless Chromium that opens pages of Dagster and takes small pictures of them when nothing moves any more.

Which pages these are stands in `take`.
"""

import base64
import io
import itertools
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from websockets.sync.client import connect

WIDTH, HEIGHT = 1440, 900
MOST_BYTES = 250_000
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    f"--window-size={WIDTH},{HEIGHT}",
)


class PageNeverReady(Exception):
    """A page did not come to show what it should."""


class Browser:
    """One tab of a browser of our own, closed when the block ends."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        self._ids = itertools.count(1)

    def __enter__(self) -> "Browser":
        program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
        if program is None:
            raise SystemExit("no chromium on the path; install it, or set CHROMIUM to its program")
        flags = [*_FLAGS, f"--user-data-dir={self._profile}"]
        self._process = subprocess.Popen([program, *flags, "about:blank"], stderr=subprocess.DEVNULL)
        port = self._port()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
            tab = next(target for target in json.load(answer) if target["type"] == "page")
        self._connection = connect(tab["webSocketDebuggerUrl"], max_size=None)
        self._call("Page.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.wait(timeout=30)

    def take(self, url: str, texts: Sequence[str], scale: float, picture: Path) -> None:
        """Open a page, wait for its texts and until it stands still, and write it as a small PNG.

        Args:
            url: The page.
            texts: All of them are on the page once it is loaded.
            scale: How much larger than the picture the window is.
            picture: The file to write.

        Raises:
            PageNeverReady: a text did not appear in a minute and a half; the picture shows what did.
        """
        size = {"width": int(WIDTH * scale), "height": int(HEIGHT * scale)}
        self._call("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False)
        self._call("Page.navigate", url=url)
        missing = [text for text in texts if not self._appears(text)]
        write_small(self._still(), picture)
        if missing:
            raise PageNeverReady(f"{url}: {missing} did not appear in 90 seconds; see {picture}")

    def open(self, url: str, width: int, scheme: str = "light") -> None:
        """Open a page without scripts as a window of that width shows it, in a light or a dark scheme."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=HEIGHT,
            deviceScaleFactor=1,
            mobile=width < WIDTH / 2,
        )
        scheme_asked_for = {"name": "prefers-color-scheme", "value": scheme}
        self._call("Emulation.setEmulatedMedia", features=[scheme_asked_for])
        self._call("Page.navigate", url=url)
        deadline = time.monotonic() + 30
        while self._evaluate("[location.href, document.readyState].join()") != f"{url},complete":
            if time.monotonic() > deadline:
                raise PageNeverReady(f"{url}: was not loaded in 30 seconds")
            time.sleep(0.05)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page that is open."""
        return self._evaluate(expression)

    def picture(self, height: int | None = None) -> bytes:
        """The page that is open as a PNG: from its top, so many pixels or all of it."""
        clip = {} if height is None else {"clip": self._top(height)}
        return self._png(captureBeyondViewport=True, **clip)

    def _top(self, height: int) -> dict[str, int]:
        return {"x": 0, "y": 0, "width": self._evaluate("innerWidth"), "height": height, "scale": 1}

    def time(self, url: str, text: str) -> tuple[float, list[tuple[str, float]]]:
        """Seconds until a page shows a text and stands still, and those of its GraphQL queries, slowest first."""
        started = time.monotonic()
        self._call("Page.navigate", url=url)
        if not self._appears(text):
            raise PageNeverReady(f"{url}: {text!r} did not appear in 90 seconds")
        shown = time.monotonic() - started
        self._still()
        queries = self._evaluate(
            "performance.getEntriesByType('resource').filter(e => e.name.includes('/graphql'))"
            ".map(e => [e.name.split('op=').pop(), e.duration / 1000])"
        )
        return shown, sorted(((name, taken) for name, taken in queries), key=lambda query: -query[1])

    def _port(self) -> int:
        named = self._profile / "DevToolsActivePort"
        for _ in range(300):
            if named.exists() and named.read_text().strip():
                return int(named.read_text().split()[0])
            time.sleep(0.1)
        raise SystemExit("chromium did not start within 30 seconds")

    def _appears(self, text: str) -> bool:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            if self._evaluate(f"document.body && document.body.innerText.includes({json.dumps(text)})"):
                return True
            time.sleep(0.25)
        return False

    def _still(self) -> bytes:
        """The page once three pictures in a row, a second apart, are the same; the last one after half a minute."""
        deadline = time.monotonic() + 30
        pictures: list[bytes] = []
        while time.monotonic() < deadline:
            time.sleep(1)
            pictures.append(self._png())
            if len(pictures) >= 3 and len(set(pictures[-3:])) == 1:
                break
        return pictures[-1]

    def _png(self, **parameters: Any) -> bytes:
        return base64.b64decode(self._call("Page.captureScreenshot", format="png", **parameters)["data"])

    def _evaluate(self, expression: str) -> Any:
        return self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get(
            "value"
        )

    def _call(self, method: str, **parameters: Any) -> Any:
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=60))
            if message.get("id") == number:
                return message.get("result", {})


def write_small(png: bytes, picture: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    """Write with as many colours, of a palette of 256 at most, as keep the file small."""
    image = Image.open(io.BytesIO(png)).convert("RGB").resize(size, Image.Resampling.LANCZOS)
    for colours in (256, 128, 64, 32):
        buffer = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= MOST_BYTES:
            break
    picture.write_bytes(buffer.getvalue())
