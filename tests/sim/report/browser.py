"""Headless Chromium, as a phone or a desk sees a page, with everything that it asks or complains of."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
DRIVER = shutil.which("chromedriver")
REASON = "needs Chromium and chromedriver"
QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_S = 300
ATTEMPTS = 3
HAS_BROWSER = pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason=REASON)


class Page:
    """A page that is open; `requests` and `complaints` are what it asked for and said so far."""

    def __init__(self, file: Path, width: int, *, dark: bool = False) -> None:
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver import Chrome, ChromeOptions
        from selenium.webdriver.chrome.service import Service

        options = ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for argument in (*QUIET, f"--window-size={width},900"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        for attempt in range(ATTEMPTS):
            try:
                self.browser = Chrome(options=options, service=Service(str(DRIVER)))
                break
            except WebDriverException:  # on a busy machine it may start too slowly for its driver
                if attempt == ATTEMPTS - 1:
                    raise
        self.browser.set_page_load_timeout(PATIENCE_S)
        self.browser.set_script_timeout(PATIENCE_S)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.requests: list[str] = []
        self.browser.get(file.as_uri())

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *_: object) -> None:
        self.browser.quit()

    def run(self, script: str, *arguments: object) -> Any:
        return self.browser.execute_script(script, *arguments)  # type: ignore[no-untyped-call]

    def wait(self, script: str, *arguments: object) -> Any:
        """Wait until a script returns something true, and return it; fails after minutes."""
        from selenium.webdriver.support.ui import WebDriverWait

        waiting: Any = WebDriverWait(self.browser, PATIENCE_S, poll_frequency=0.05)
        return waiting.until(lambda _: self.run(script, *arguments), f"never true: {script}")

    def outside(self) -> list[str]:
        """Every address that was asked for and is not in a file or in the page itself."""
        for entry in self.browser.get_log("performance"):  # type: ignore[no-untyped-call]
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]

    def complaints(self) -> list[str]:
        """What the console has shown, warnings too."""
        return [entry["message"] for entry in self.browser.get_log("browser")]  # type: ignore[no-untyped-call]
