"""A headless Chromium, driven over the WebDriver protocol (W3C) with nothing but Python's own library."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

PATIENCE = 20  # seconds that a thing on the page may take to show
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

# Straight to the driver and the page, whatever proxy the environment names.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Missing(Exception):
    """There is no browser here."""


def find_programs():
    """The paths of the driver and the browser, or Missing."""
    driver = shutil.which("chromedriver")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if driver is None or browser is None:
        lacking = "chromedriver" if driver is None else "chromium"
        raise Missing(f"{lacking} is not there; on Debian: apt-get install chromium chromium-driver")
    return driver, browser


class Browser:
    """One session. Ends driver and browser with the `with` block."""

    def __init__(self):
        driver, browser = find_programs()
        self._profile = tempfile.TemporaryDirectory(prefix="mtlspop-browser-", ignore_cleanup_errors=True)
        environment = dict(os.environ, HOME=self._profile.name)
        self._driver = subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        self._session = None
        try:
            self._url = f"http://127.0.0.1:{self._read_port()}"
            self._session = self._start(browser)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _read_port(self):
        for line in self._driver.stdout:
            if "started successfully on port" in line:
                return int(line.rstrip(".\n").rsplit(" ", 1)[1])
        raise RuntimeError("chromedriver did not start")

    def _start(self, browser):
        arguments = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--no-proxy-server", "--disable-background-networking", "--disable-component-update",
            "--window-size=1440,960", f"--user-data-dir={self._profile.name}/profile",
            # Whatever asks for a file from the network gets none, and shows in the console.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"]
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": browser, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"}}}}, patience=90)
        return answer["sessionId"]

    def close(self):
        if self._session is not None:
            try:
                self._call("DELETE", f"/session/{self._session}")
            except (OSError, RuntimeError):
                pass  # The driver takes the browser with it.
            self._session = None
        self._driver.terminate()
        try:
            self._driver.wait(10)
        except subprocess.TimeoutExpired:
            self._driver.kill()
            self._driver.wait()
        self._driver.stdout.close()
        self._profile.cleanup()

    def _call(self, method, path, body=None, patience=60):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with OPENER.open(request, timeout=patience) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise RuntimeError(f"{method} {path}: {value['error']}: {value['message']}") from None

    def call(self, method, path, body=None):
        return self._call(method, f"/session/{self._session}{path}", body)

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def script(self, text, *arguments):
        return self.call("POST", "/execute/sync", {"script": text, "args": list(arguments)})

    def find(self, selector):
        """The elements that a CSS selector names, as the page has them now."""
        found = self.call("POST", "/elements", {"using": "css selector", "value": selector})
        return [element[ELEMENT] for element in found]

    def text(self, selector):
        return self.script("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", selector)

    def click(self, selector):
        (element,) = self.find(selector)
        self.call("POST", f"/element/{element}/click", {})

    def wait_for(self, what, condition):
        """Waits until condition() is true, and returns what it returned."""
        end = time.monotonic() + PATIENCE
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"waited {PATIENCE} s in vain for: {what}\nthe page says:\n{self.text('body')[0]}")
            time.sleep(0.05)

    def complaints(self):
        """What the browser's console says since the last look, warnings and worse."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})
                if entry["level"] in ("WARNING", "SEVERE")]

    def save_screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("GET", "/screenshot")))
