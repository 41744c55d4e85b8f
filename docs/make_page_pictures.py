"""docs/page.png and docs/map.png: the page of `ragcli serve --open` over sample_docs/, in a real browser.

python docs/make_page_pictures.py [HOME]    needs Chromium and chromedriver; HOME has an index "samples", or one is made
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from selenium import webdriver

PROJECT = Path(__file__).resolve().parents[1]
QUESTION = "how can a network run backwards without storing activations?"
SEARCHED = "results?.careful"
PDF = "[...document.querySelectorAll('.hit a')].find((one) => one.textContent.endsWith('.pdf'))"
DRAWN = "document.querySelector('#detail canvas')?.dataset.page"
MAPPED = "document.querySelectorAll('#groups tr').length && document.querySelector('#canvas').width > 300"


def ragcli(*arguments: str, home: Path) -> list[str]:
    return [sys.executable, "-m", "ragcli", *arguments, "--home", str(home), "-i", "samples"]


def browser(*, dark: bool) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    metrics = {"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    return driver


def until(driver: webdriver.Chrome, code: str) -> None:
    deadline = time.monotonic() + 120
    while not driver.execute_script(f"return {code}"):
        if time.monotonic() > deadline:
            raise TimeoutError(code)
        time.sleep(0.1)
    time.sleep(0.6)  # until what moves has arrived


def take(link: str, name: str, *, dark: bool, wanted: str, click: str) -> None:
    driver = browser(dark=dark)
    try:
        driver.get(link)
        until(driver, "!document.querySelector('#start').hidden")
        driver.switch_to.active_element.send_keys(QUESTION)
        until(driver, SEARCHED)
        driver.refresh()  # the first answer took as long as loading the models
        until(driver, SEARCHED)
        driver.execute_script(f"{click}.click()")
        until(driver, wanted)
        driver.save_screenshot(str(PROJECT / "docs" / name))
    finally:
        driver.quit()
    Image.open(PROJECT / "docs" / name).convert("RGB").save(PROJECT / "docs" / name, optimize=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder, "home")
        variables = os.environ | {"RAGCLI_SOCKET": f"{folder}/s", "DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": ""}
        if not (home / "samples").exists():
            subprocess.run(ragcli("index", str(PROJECT / "sample_docs"), home=home), check=True)
        serve = ragcli("serve", "--open", home=home)
        server = subprocess.Popen(serve, env=variables, stderr=subprocess.PIPE, text=True)
        try:
            assert server.stderr is not None
            server.stderr.readline()
            take(server.stderr.readline().split()[-1], "page.png", dark=False, wanted=DRAWN, click=PDF)
            again = subprocess.run(serve, env=variables, capture_output=True, text=True, check=True)
            link = re.findall(r"http\S+", again.stderr)[0]
            take(link, "map.png", dark=True, wanted=MAPPED, click="document.querySelector('nav a[data-view=map]')")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
