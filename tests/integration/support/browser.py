"""Debian's Chromium without a window, driven by the DevTools protocol; and the scenes that it looks at."""

import base64
import json
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

ROOT = Path(__file__).resolve().parents[3]
PAGE_WORLD = ROOT / "build/release/tests/flow/page_world"


class Scene:
    """A service with its fakes, in which time stands still."""

    def __init__(self, name: str) -> None:
        self.process = subprocess.Popen([PAGE_WORLD, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self._line())}"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def stop_answering(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("gone\n")
        self.process.stdin.flush()

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return answer.read()

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(30)

    def __enter__(self) -> "Scene":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class Browser:
    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="sluice-chromium-", ignore_cleanup_errors=True)
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server"]
        command += ["--force-color-profile=srgb", "--hide-scrollbars", "--remote-debugging-port=0", f"--user-data-dir={self.folder.name}"]
        self.process = subprocess.Popen([*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.port = self._port()

    def _port(self) -> int:
        file = Path(self.folder.name, "DevToolsActivePort")
        deadline = time.monotonic() + 60
        while not file.exists() or not file.read_text().strip():
            assert self.process.poll() is None, "chromium has ended"
            assert time.monotonic() < deadline, "chromium does not come up"
            time.sleep(0.05)
        return int(file.read_text().splitlines()[0])

    def page(self, width: int = 1280, height: int = 900, dark: bool = False) -> "Page":
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return Page(json.load(answer)["webSocketDebuggerUrl"], width, height, dark)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.folder.cleanup()


class Page:
    """One tab. `requests` and `console` hold what it has asked for and complained of."""

    def __init__(self, url: str, width: int, height: int, dark: bool) -> None:
        self.socket = connect(url, max_size=None, compression=None)
        self.count = 0
        self.requests: list[str] = []
        self.console: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=60))
            if message.get("id") == self.count:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Log.entryAdded":
            self.console.append(parameters["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.console.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.console.append(json.dumps(parameters["args"]))
        elif method == "Page.javascriptDialogOpening":
            self.console.append(f"a dialog: {parameters['message']}")

    def ask(self, expression: str) -> Any:
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, expression: str, limit_s: float = 60) -> None:
        deadline = time.monotonic() + limit_s
        while not self.ask(expression):
            assert time.monotonic() < deadline, f"never: {expression}\n{self.console}"
            time.sleep(0.05)

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def open_status(self, scene: Scene) -> None:
        self.open(scene.url + "/")
        self.wait("!document.querySelector('main').hidden")

    def text(self, selector: str) -> str:
        return self.ask(f"document.querySelector({json.dumps(selector)}).innerText")

    def picture(self, height: int | None = None) -> bytes:
        """Of the whole page, or of so much of it."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], height or 1e9), "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def close(self) -> None:
        self.call("Page.close")
        self.socket.close()
