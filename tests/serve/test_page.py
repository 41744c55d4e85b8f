"""The page of `ragcli serve --open`: who gets in, what its routes give, and how it behaves in a browser."""

from __future__ import annotations

import html.parser
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import zipfile
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image
from reportlab.lib.pagesizes import A5
from reportlab.pdfgen.canvas import Canvas

from ragcli.index.reader import open_index

PACKAGE = Path(__file__).resolve().parents[2]
WEB = PACKAGE / "ragcli" / "serve" / "web"
FILES = {"/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript", "/icon.svg": "image/svg+xml"}
QUESTION = "how can a network run backwards without storing activations?"


class Answer:
    def __init__(self, response) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Visitor:
    """A client of the page: a session, once it has exchanged its token."""

    def __init__(self, link: str) -> None:
        parts = urllib.parse.urlsplit(link)
        self.host, self.session = parts.netloc, ""
        self.token = urllib.parse.parse_qs(parts.fragment)["token"][0]

    def enter(self) -> Visitor:
        found = self.post("/page/session", {"token": self.token})
        assert found.status == 200, found.body
        self.session = found.json["session"]
        return self

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        sent = {"Authorization": f"Bearer {self.session}"} if self.session else {}
        if body is not None:
            sent["Content-Type"] = "application/json"
        connection = HTTPConnection(self.host, timeout=120)
        connection.request(method, path, None if body is None else json.dumps(body), sent | headers)
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def get(self, path: str, **query: object) -> Answer:
        return self.ask("GET", f"{path}?{urllib.parse.urlencode(query)}" if query else path)

    def post(self, path: str, body: object) -> Answer:
        return self.ask("POST", path, body)


def link(running) -> str:
    """Another link to the page of a server, as `ragcli serve --open` makes it when one runs."""
    done = subprocess.run(
        [sys.executable, "-m", "ragcli", "serve", "--open"], capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": "", "RAGCLI_SOCKET": str(running.socket)},
    )  # fmt: skip
    return done.stderr.removeprefix("the page: ").strip()


@pytest.fixture(scope="module")
def served(sample_home, started_server):
    """A server with a page over the sample documents."""
    with started_server(sample_home, "--open") as running:
        yield running


@pytest.fixture
def visitor(served) -> Visitor:
    return Visitor(link(served)).enter()


def picture(content: bytes) -> np.ndarray:
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


# -- who gets in ------------------------------------------------------------------------------------------------------

DATA = [
    ("GET", "/v1/indexes", None), ("POST", "/v1/query", {"query": "attention"}), ("POST", "/v1/show", {"ref": "3"}),
    ("GET", "/v1/page?ref=14", None), ("POST", "/v1/map", {}), ("GET", "/v1/not-indexed", None),
    ("POST", "/v1/ask", {"question": "attention"}), ("GET", "/v1/openapi.json", None), ("POST", "/mcp", {}),
]  # fmt: skip


def test_a_link_works_once(served):
    first = Visitor(link(served))
    assert first.host == f"127.0.0.1:{served.port}"
    for method, path, body in DATA:
        assert first.ask(method, path, body).status == 401, path
        assert first.ask(method, path, body, Authorization=f"Bearer {first.token}").status == 401, path
    first.enter()
    assert first.session != first.token
    for method, path, body in DATA:
        assert first.ask(method, path, body).status in (200, 400), path
    again = Visitor(f"http://{first.host}/#token={first.token}").post("/page/session", {"token": first.token})
    assert again.status == 403
    assert "ragcli serve --open" in again.json["hint"]
    assert first.get("/v1/indexes").status == 200  # who came first stays


@pytest.mark.parametrize("body", [{}, *({"token": one} for one in ("", "x" * 43, "é", "\ud800", None, 5, ["x"]))])
def test_a_wrong_token_opens_nothing(served, body):
    found = Visitor(served.page).post("/page/session", body)
    assert found.status in (400, 403)
    assert "session" not in found.json


def test_a_foreign_page_can_neither_get_in_nor_use_the_link_up(served):
    visitor = Visitor(link(served))
    body = {"token": visitor.token}
    for headers in (
        {"Origin": "https://evil.example"}, {"Origin": "http://localhost:1"}, {"Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"},
    ):  # fmt: skip
        assert visitor.ask("POST", "/page/session", body, **headers).status == 403, headers
        assert visitor.ask("GET", "/", **headers).status == 403, headers
    plain = {"Content-Type": "text/plain"}
    assert visitor.ask("POST", "/page/session", body, **plain).status == 415
    visitor.enter()
    for headers in ({"Origin": "http://localhost:1"}, {"Sec-Fetch-Site": "same-site"}):
        for method, path, asked in DATA:  # also with a session
            assert visitor.ask(method, path, asked, **headers).status == 403, path


def test_a_session_ends_with_its_server(sample_home, started_server):
    with started_server(sample_home, "--open") as running:
        visitor = Visitor(running.page).enter()
        assert visitor.get("/v1/indexes").status == 200
    with started_server(sample_home, "--open", "--port", str(running.port)):
        assert visitor.get("/v1/indexes").status == 401


def test_programs_need_their_token_beside_the_page(sample_home, started_server, tmp_path):
    token = tmp_path / "token"
    with started_server(sample_home, "--open", "--token", str(token)) as running:
        visitor = Visitor(running.page)
        assert visitor.get("/v1/indexes").status == 401
        right = f"Bearer {token.read_text().strip()}"
        assert visitor.ask("GET", "/v1/indexes", Authorization=right).status == 200
        assert visitor.enter().get("/v1/indexes").status == 200


def test_a_server_without_a_page_has_none_of_its_routes(server, ragcli):
    for path in (*FILES, "/v1/page", "/v1/not-indexed", "/page/session"):
        assert Visitor(f"http://127.0.0.1:{server.port}/#token=none").get(path).status == 404
    done = ragcli("serve", "--open", RAGCLI_SOCKET=str(server.socket))
    assert done.returncode == 2
    assert "the server that runs has no page" in done.stderr
    assert "ragcli serve --stop" in done.stderr


def test_the_browser_is_told_the_address(sample_home, started_server, tmp_path, wait_until):
    told, script = tmp_path / "told", tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > {told}.new && mv {told}.new {told}\n')
    script.chmod(0o755)
    with started_server(sample_home, "--open", BROWSER=f"{script} %s") as running:
        wait_until(told.exists)
        assert told.read_text().strip() == running.page
        assert re.fullmatch(rf"http://127\.0\.0\.1:{running.port}/#token=[\w-]{{43}}", running.page)


# -- what it is made of ------------------------------------------------------------------------------------------------


def test_the_page_may_run_nothing_but_its_own_script(served):
    outside = Visitor(served.page)
    for path, kind in FILES.items():
        found = outside.get(path)
        assert found.status == 200
        assert found.headers["content-type"].startswith(kind)
        policy = dict(part.strip().split(" ", 1) for part in found.headers["content-security-policy"].split(";"))
        assert policy == {
            "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self'",
            "connect-src": "'self'", "frame-ancestors": "'none'", "base-uri": "'none'", "form-action": "'none'",
            "require-trusted-types-for": "'script'",
        }  # fmt: skip
        assert found.headers["referrer-policy"] == "no-referrer"
        assert found.headers["x-content-type-options"] == "nosniff"
        assert b"sample_docs" not in found.body


class Markup(html.parser.HTMLParser):
    """The tags of a page, with what is inside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.inline, self.within = "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.within = tag

    def handle_data(self, data):
        if self.within in ("script", "style"):
            self.inline += data.strip()


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere():
    markup = Markup((WEB / "index.html").read_text())
    assert markup.inline == ""
    assert "style" not in {tag for tag, _ in markup.tags}
    for tag, attributes in markup.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
        for name in ("src", "href", "action"):
            assert not re.match(r"[a-z]+:|//", attributes.get(name) or ""), (tag, attributes)
    assert not re.search(r"url\(|@import|https?:", (WEB / "page.css").read_text())
    script = (WEB / "page.js").read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|https?:", script
    )


def test_a_wheel_holds_the_files_of_the_page():
    code = """
import setuptools
found = setuptools.Distribution()
found.parse_config_files(["pyproject.toml"])
found.script_name = "setup.py"
build = found.get_command_obj("build_py")
build.finalize_options()
print("\\n".join(f"{package}: {name}" for package, _, _, names in build.data_files for name in names))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE
    )
    held = {line.partition(": ")[2] for line in done.stdout.splitlines() if line.startswith("ragcli: ")}
    assert {f"serve/web/{file.name}" for file in WEB.iterdir()} <= held


# -- pictures of pages -----------------------------------------------------------------------------------------------


def pdf(file: Path, *pages: str) -> None:
    canvas = Canvas(str(file), pagesize=A5)
    for page in pages:
        for number, line in enumerate(page.splitlines()):
            canvas.drawString(50, 500 - 18 * number, line)
        canvas.showPage()
    canvas.save()


def test_the_best_sentence_is_marked_where_it_is_printed(visitor):
    hits = visitor.post("/v1/query", {"query": QUESTION, "rerank": False}).json["hits"]
    hit = next(one for one in hits if one["path"].endswith(".pdf"))
    about = {"ref": hit["chunk"], "page": hit["page"], "width": 1000}
    sentence = picture(visitor.get("/v1/page", **about, start=hit["snippet"]["start"], end=hit["snippet"]["end"]).body)
    found = visitor.get("/v1/page", **about)
    whole = picture(found.body)
    page = pypdfium2.PdfDocument(hit["path"])[hit["page"] - 1]
    plain = np.asarray(page.render(scale=999.999 / page.get_width()).to_pil().convert("RGB")).astype(int)
    assert sentence.shape == whole.shape == plain.shape
    assert json.loads(found.headers["ragcli-page"])["size"] == [1000, plain.shape[0]]

    text, scale = page.get_textpage(), 1000 / page.get_width()
    first = " ".join(hit["snippet"]["text"].split()[:5])
    place = text.search(first).get_next()
    assert place is not None
    text.count_rects(*place)
    left, bottom, right, top = text.get_rect(0)
    rows = slice(int((page.get_height() - top) * scale), int((page.get_height() - bottom) * scale))
    columns = slice(int(left * scale) + 1, int(right * scale) - 1)
    more = (sentence != whole).any(axis=2)
    assert more[rows, columns].mean() > 0.6  # ink stays as it is
    assert more.sum() < (whole != plain).any(axis=2).sum()
    down = np.nonzero(more)[0]
    assert abs(down.min() - rows.start) <= 4
    assert json.loads(found.headers["ragcli-page"])["top"] <= rows.start


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ({"ref": "/etc/passwd"}, 400, "is not in the index"),
        ({"ref": "../../../../etc/passwd"}, 400, "is not in the index"),
        ({"ref": "/work/../etc/passwd#page=1"}, 400, "is not in the index"),
        ({"ref": "file:///etc/passwd"}, 400, "is not in the index"),
        ({"ref": ""}, 400, "the reference is empty"), ({"ref": "\0"}, 400, ""),
        ({"ref": "99999999"}, 400, "there is no chunk"),
        ({"ref": "sampling.txt:5"}, 400, "has no pages that can be drawn"),
        ({"ref": "reversible-networks.pdf", "page": 99}, 409, "there is no page 99"),
        ({"ref": "reversible-networks.pdf", "page": 0}, 400, "invalid page"),
        ({"ref": "reversible-networks.pdf", "width": 100_000}, 400, "invalid width"),
        ({"ref": "reversible-networks.pdf", "width": "1e9"}, 400, "invalid width"),
        ({"ref": "reversible-networks.pdf", "zoom": 2}, 400, "there is no field 'zoom'"),
        ({"ref": "reversible-networks.pdf", "index": "/etc"}, 400, "invalid index"),
        ({"ref": "reversible-networks.pdf", "index": "../samples"}, 400, "invalid index"),
        ({"ref": "reversible-networks.pdf", "index": "other"}, 404, "there are: samples"),
    ],
)  # fmt: skip
def test_no_picture_of_anything_else(visitor, query, status, told):
    found = visitor.get("/v1/page", **query)
    assert found.status == status
    assert found.headers["content-type"] == "application/json"
    assert told in f"{found.json['error']}; {found.json['hint']}"


def test_a_file_that_is_not_what_was_indexed_is_not_drawn(ragcli, started_server, tmp_path):
    notes, home = tmp_path / "notes", tmp_path / "home"
    notes.mkdir()
    pdf(notes / "a.pdf", "The tower clock strikes ten at night.", "Bread. The tower clock strikes ten at night.")
    pdf(tmp_path / "secret.pdf", "What nobody indexed.")
    with zipfile.ZipFile(notes / "b.zip", "w") as archive:
        archive.write(notes / "a.pdf", "inner/c.pdf")
    assert ragcli("index", str(notes), "-i", "samples").returncode == 0
    with started_server(home, "--open") as running:
        visitor = Visitor(running.page).enter()
        original = (notes / "a.pdf").read_bytes()
        drawn = visitor.get("/v1/page", ref=f"{notes}/a.pdf#page=2", width=500)
        assert (drawn.status, json.loads(drawn.headers["ragcli-page"])["pages"]) == (200, 2)
        # the same words on another page are not the best sentence
        first = {"ref": f"{notes}/a.pdf#page=1", "start": 0, "end": 37, "width": 500}
        assert visitor.get("/v1/page", **first, page=2).body == drawn.body
        assert (
            visitor.get("/v1/page", **first, page=1).body != visitor.get("/v1/page", **first | {"end": 0}, page=1).body
        )
        # in an archive, too
        inner = visitor.get("/v1/page", ref=f"{notes}/b.zip/inner/c.pdf#page=2", width=500)
        assert inner.body == drawn.body
        for change in (
            lambda file: file.write_bytes((tmp_path / "secret.pdf").read_bytes()),
            lambda file: file.symlink_to(tmp_path / "secret.pdf"),
            lambda file: file.symlink_to("/etc/passwd"),
            lambda file: file.mkdir(),
            os.mkfifo,
            lambda file: None,  # gone
        ):
            (notes / "a.pdf").unlink()
            change(notes / "a.pdf")
            found = visitor.get("/v1/page", ref=f"{notes}/a.pdf#page=1")
            assert found.status == 409
            assert found.json["error"].startswith(f"cannot draw {notes}/a.pdf")
            if (notes / "a.pdf").is_dir():
                (notes / "a.pdf").rmdir()
                (notes / "a.pdf").touch()
            if not os.path.lexists(notes / "a.pdf"):
                (notes / "a.pdf").touch()
        (notes / "a.pdf").write_bytes(original)
        assert visitor.get("/v1/page", ref=f"{notes}/a.pdf#page=1").status == 200


# -- the map, and what is not indexed ----------------------------------------------------------------------------------


def test_the_map_is_a_principal_component_analysis(visitor, sample_home):
    from sklearn.decomposition import PCA

    found = visitor.post("/v1/map", {}).json
    with open_index(sample_home / "samples") as index:
        vectors = index.vectors(index.catalog.chunk_ids())
        assert len(vectors) == found["passages"] == len(found["points"])
        for chunk in list(vectors)[:5]:  # they are those that a search reads
            assert index.dense(vectors[chunk], 1)[0][1] == pytest.approx(1, abs=1e-3)
        paths = {chunk.id: str(chunk.path) for chunk in index.chunks(list(vectors)).values()}
    assert {chunk: found["documents"][at] for chunk, _, _, at in found["points"]} == paths
    fitted = PCA(2, svd_solver="full").fit(np.stack(list(vectors.values())))
    assert found["variance"] == pytest.approx(fitted.explained_variance_ratio_.sum(), abs=1e-3)
    points = {chunk: (x, y) for chunk, x, y, _ in found["points"]}
    given = np.array([points[chunk] for chunk in vectors])
    expected = fitted.transform(np.stack(list(vectors.values())))
    for axis in range(2):
        assert np.minimum(
            abs(given[:, axis] - expected[:, axis]).max(), abs(given[:, axis] + expected[:, axis]).max()
        ) == pytest.approx(0, abs=2e-3)

    some = [found["points"][at][0] for at in (3, 1, 40)]
    lit = visitor.post("/v1/map", {"chunks": [*some, 10**12]}).json["points"]
    assert sorted(map(tuple, lit)) == sorted((chunk, *points[chunk]) for chunk in some)
    assert visitor.post("/v1/map", {"chunks": []}).json["points"] == []
    for wrong in ("3", [True], ["3"], [1.5], {}, [10**30], [-1], [1] * 1001):
        assert visitor.post("/v1/map", {"chunks": wrong}).status == 400


def test_a_large_collection_is_sampled(sample_home):
    from ragcli.serve.map import project

    with open_index(sample_home / "samples") as index:
        whole, some = project(index), project(index, 40)
        assert whole is not None
        assert some is not None
        assert len(some.points) == 40 < len(whole.points)
        ids = sorted(chunk for chunk, _, _ in whole.points)
        chosen = sorted(chunk for chunk, _, _ in some.points)
        assert {chosen[0], chosen[-1]} == {ids[0], ids[-1]}
        steps = np.diff([ids.index(chunk) for chunk in chosen])
        assert steps.max() - steps.min() <= 1  # evenly


def test_the_map_follows_the_index(ragcli, started_server, tmp_path):
    notes, home = tmp_path / "notes", tmp_path / "home"
    notes.mkdir()
    (notes / "a.txt").write_text("The tower clock strikes ten.")
    assert ragcli("index", str(notes), "-i", "samples").returncode == 0
    with started_server(home, "--open") as running:
        visitor = Visitor(running.page).enter()
        before = visitor.post("/v1/map", {})
        assert before.json["points"][0][1:3] == [0.0, 0.0]  # one point has no directions
        assert visitor.post("/v1/map", {}).body == before.body
        (notes / "b.txt").write_text("Bread rises in a warm kitchen.")
        assert ragcli("index", str(notes), "-i", "samples").returncode == 0
        after = visitor.post("/v1/map", {}).json
        assert len(after["points"]) == 2
        assert after["commits"] > before.json["commits"]


def test_what_is_not_indexed_is_what_the_command_lists(visitor, ragcli, sample_home):
    printed = json.loads(
        ragcli("list", "--not-indexed", "--json", "-i", "samples", RAGCLI_HOME=str(sample_home)).stdout
    )
    found = visitor.get("/v1/not-indexed", index="samples").json
    assert found == {**printed, "more": 0}
    assert len(found["not_indexed"]) >= 2


def test_no_get_changes_anything(visitor, sample_home):
    def state():
        files = [file for file in sample_home.rglob("*") if file.is_file() and not file.name.endswith("-shm")]
        return {file: (file.stat().st_size, file.stat().st_mtime_ns) for file in files}

    before = state()
    gets = [*FILES, *(path for method, path, _ in DATA if method == "GET")]
    for path in gets:
        assert visitor.get(path).status == 200
    for path in (*gets, "/page/session", "/v1/query", "/cli/stop", "/cli/open", "/v1/map", "/v1/show"):
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            assert visitor.ask(method, path).status in (200, 401, 404, 405)
    assert visitor.ask("POST", "/cli/open", {}).status == 404  # it is for the socket alone
    assert state() == before


def test_an_index_that_cannot_be_opened_does_not_hide_the_others(ragcli, started_server, tmp_path):
    (tmp_path / "a.txt").write_text("The tower clock strikes ten.")
    assert ragcli("index", str(tmp_path / "a.txt"), "-i", "samples").returncode == 0
    (tmp_path / "home" / "broken").mkdir()
    (tmp_path / "home" / "broken" / "catalog.sqlite3").write_bytes(b"no database" * 1000)
    with started_server(tmp_path / "home", "--open") as running:
        broken, sound = Visitor(running.page).enter().get("/v1/indexes").json["indexes"]
        assert (broken["name"], sound["name"], sound["chunks"]) == ("broken", "samples", 1)
        assert "broken" in broken["error"]


def test_an_index_outside_the_home_has_a_page(ragcli, started_server, tmp_path):
    (tmp_path / "a.txt").write_text("The tower clock strikes ten.")
    folder = tmp_path / "elsewhere" / "ix"
    assert ragcli("index", str(tmp_path / "a.txt"), "-i", str(folder)).returncode == 0
    with started_server(tmp_path / "home", "--open", "-i", str(folder)) as running:
        visitor = Visitor(running.page).enter()
        found = visitor.get("/v1/indexes").json
        assert [one["name"] for one in found["indexes"]] == [found["default"]] == [str(folder)]
        hits = visitor.post("/v1/query", {"query": "clock", "index": str(folder)}).json["hits"]
        assert len(hits) == 1
        assert visitor.post("/v1/query", {"query": "clock", "index": str(tmp_path / "other")}).status == 400


# -- in a browser -----------------------------------------------------------------------------------------------------

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")


@contextmanager
def browsing(width: int = 1280, height: int = 900, *, dark: bool = False):
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs Chromium and chromedriver: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield Browser(driver)
    finally:
        driver.quit()


class Browser:
    """What a person does with the page."""

    def __init__(self, driver) -> None:
        self.driver = driver

    def js(self, code: str, *arguments):
        return self.driver.execute_script(f"return {code.strip()}", *arguments)

    def until(self, code: str, seconds: float = 60):
        """Wait until an expression is true."""
        deadline = time.monotonic() + seconds
        while not (found := self.js(code)):
            assert time.monotonic() < deadline, (code, self.js("document.body.innerText"))
            time.sleep(0.05)
        return found

    def open(self, address: str) -> None:
        self.driver.get(address)
        self.until("!document.querySelector('#start').hidden || !document.querySelector('#columns').hidden"
                   " || !document.querySelector('#gate').hidden")  # fmt: skip

    def type(self, *keys: str) -> None:
        self.driver.switch_to.active_element.send_keys(*keys)

    def search(self, text: str) -> None:
        self.js("document.querySelector('#q').focus()")
        self.type(text)
        self.until("results?.careful && JSON.parse(results.key).query === document.querySelector('#q').value")

    def texts(self, selector: str) -> list[str]:
        return self.js("[...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", selector)

    def is_shown(self, selector: str) -> bool:
        return self.js("document.querySelector(arguments[0]).checkVisibility()", selector)

    def faults(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture
def keys():
    return pytest.importorskip("selenium.webdriver.common.keys").Keys


def test_a_person_searches_and_reads(served, visitor, keys):
    with browsing() as page:
        page.open(link(served))
        assert "token" not in page.driver.current_url
        assert "129 passages" in page.texts("#start-title")[0]
        assert page.js("document.activeElement.id") == "q"
        page.search(QUESTION)
        hits = visitor.post("/v1/query", {"query": QUESTION}).json["hits"]
        assert page.texts(".hit .place a") == [Path(hit["path"]).name for hit in hits]
        assert [round(float(text.strip("< %"))) for text in page.texts(".chance b")] == [
            max(1, round(100 * hit["probability"])) for hit in hits
        ]
        words = [
            hit["snippet"]["text"][slice(*hit["snippet"]["matches"][0])] for hit in hits if hit["snippet"]["matches"]
        ]
        assert set(words) <= set(page.texts(".snippet mark"))
        assert "129" not in page.texts("#status")[0]

        # down to the first PDF, with the keyboard alone
        pdfs = [hit for hit in hits if hit["path"].endswith(".pdf")]
        page.type(keys.ARROW_DOWN)
        for _ in range(hits.index(pdfs[0])):
            page.type("j")
        assert page.js("document.activeElement.closest('.hit').dataset.key") == str(pdfs[0]["chunk"])
        page.type(keys.ENTER)
        page.until("document.querySelector('#detail canvas')?.dataset.page")
        assert page.js("document.querySelector('#detail canvas').dataset.page") == str(pdfs[0]["page"])
        assert page.js(YELLOW) > 500
        ranks = {row.split("#")[0]: row for row in page.texts("#detail tbody tr")}
        assert any(f"#{pdfs[0]['parts']['rerank']['rank']}" in row for row in ranks.values())
        assert f"{pdfs[0]['parts']['rerank']['score']:.2f}" in "".join(ranks.values())

        # a page back, and out
        page.type(keys.ARROW_LEFT)
        page.until(f"document.querySelector('#detail canvas')?.dataset.page === '{pdfs[0]['page'] - 1}'")
        page.type(keys.ESCAPE)
        assert not page.is_shown("#detail")
        assert page.js("document.activeElement.closest('.hit').dataset.key") == str(pdfs[0]["chunk"])
        page.type("/")
        assert page.js("document.activeElement.id") == "q"
        page.type(keys.ESCAPE, "?")
        assert page.js("document.querySelector('#help').open")
        page.type(keys.ESCAPE)
        assert not page.js("document.querySelector('#help').open")
        assert page.faults() == []


def test_the_text_around_a_passage_is_shown(served, visitor, keys):
    with browsing() as page:
        page.open(link(served))
        page.search("temperature divides the logits")
        hit = visitor.post("/v1/query", {"query": "temperature divides the logits"}).json["hits"][0]
        assert not hit["path"].endswith(".pdf")
        page.type(keys.ENTER)
        page.until("document.querySelector('#detail .passage')")
        assert page.texts("#detail .passage") == [hit["text"]]
        assert page.texts("#detail .passage mark") == [hit["snippet"]["text"]]
        around = "".join(page.texts("#detail .text"))
        assert around in Path(hit["path"]).read_text()
        page.js("document.querySelector('#detail .more').click()")
        page.until(f"document.querySelector('#detail .text').textContent.length > {len(around)}")
        assert page.faults() == []


def test_addresses_are_links_and_back_goes_back(served, keys):
    with browsing() as page:
        page.open(link(served))
        page.search("what is attention")
        page.type(keys.ENTER)
        page.until("!document.querySelector('#detail').hidden && document.querySelector('#detail-title').textContent")
        address, title = page.driver.current_url, page.texts("#detail-title")
        assert "q=what+is+attention" in address
        assert "hit=" in address
        page.driver.back()
        page.until("document.querySelector('#detail').hidden")
        assert page.js("document.querySelector('#q').value") == "what is attention"
        page.driver.back()
        page.until("!document.querySelector('#start').hidden")
        assert page.js("document.querySelector('#q').value") == ""
        page.driver.forward()
        page.until("document.querySelectorAll('.hit').length")

        page.driver.switch_to.new_window("tab")  # the session is the browser's, not the tab's
        page.open(f"{address}&type=markdown&after=2001-01-01")
        page.until("results?.careful")
        assert page.texts("#detail-title") == title
        assert page.js("document.querySelector('#q').value") == "what is attention"
        assert page.js("document.querySelector('#types :checked').value") == "markdown"
        assert all(name.endswith(".md") for name in page.texts(".hit .place a"))
        assert page.texts("#filter-count") == ["(2)"]


def test_a_note_about_an_option_is_a_button(served, visitor, keys):
    question = "who chose the temperature of sampling?"
    answer = visitor.post("/v1/query", {"query": question}).json
    (note,) = answer["notes"]
    left = int(re.fullmatch(r"unlikely passages left out: (\d+); --all shows them", note)[1])
    with browsing() as page:
        page.open(link(served))
        page.search(question)
        assert page.texts("#notes li") == [f"{left} unlikely passage{'s' if left > 1 else ''} left out. Show"]
        page.js("document.querySelector('#notes button').click()")
        page.until("results?.careful && JSON.parse(results.key).all")
        assert len(page.texts(".hit")) == len(answer["hits"]) + left
        assert page.texts("#notes li") == []
        assert page.js("document.querySelector('#all').checked")
        assert page.faults() == []


def test_all_indexes_are_searched_together(ragcli, started_server, tmp_path, keys):
    for name, text in {"tower": "The tower clock strikes ten.", "harbour": "The harbour clock strikes noon."}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(text)
        (tmp_path / name / f"{name}.bin").write_bytes(b"\0\1")
        assert ragcli("index", str(tmp_path / name), "-i", name).returncode == 0
    with started_server(tmp_path / "home", "--open", "-i", "tower") as running, browsing() as page:
        page.open(running.page)
        assert page.texts("#index option") == ["harbour", "tower", "all indexes"]
        assert page.js("document.querySelector('#index').value") == "tower"
        page.search("when does the clock strike?")
        assert page.texts(".hit .place a") == ["tower.txt"]
        page.js("(document.querySelector('#index').value = '*',"
                " document.querySelector('#index').dispatchEvent(new Event('change')))")  # fmt: skip
        page.until("results?.careful && results.hits.length === 2")
        assert set(page.texts(".hit .place a")) == {"tower.txt", "harbour.txt"}
        for name in ("harbour", "tower"):
            page.js("[...rows.values()].find((one) => one.innerText.includes(arguments[0])).querySelector('a').click()",
                    f"{name}.txt")  # fmt: skip
            page.until(f"document.querySelector('#detail-title').textContent.startsWith('{name}')")
            page.until("document.querySelector('#detail .passage')")
            assert name in page.texts("#detail .passage")[0]
            assert len(page.texts(".hit.current")) == 1
        assert page.texts(".hit .folder") == [f"in {name.removesuffix('.txt')}" for name in page.texts(".hit .place a")]
        page.driver.refresh()  # the address says all of it
        page.until("document.querySelector('#detail .passage') && results?.careful")
        assert page.js("document.querySelector('#index').value") == "*"
        assert page.texts("#detail-title")[0].startswith("tower.txt")
        page.js("document.querySelector('nav a[data-view=left-out]').click()")
        page.until("document.querySelectorAll('#reasons li').length === 2")
        page.js("document.querySelector('nav a[data-view=map]').click()")
        assert "one index" in page.texts("#map-text")[0]
        assert not page.is_shown("#canvas")
        page.js("document.querySelector('.brand').click()")
        page.until("!document.querySelector('#start').hidden")
        assert page.texts("#start-title") == ["All 2 indexes: 2 passages of 2 documents"]
        assert page.faults() == []


def test_a_link_that_was_used_opens_nothing(served):
    used = link(served)
    Visitor(used).enter()
    with browsing() as page:
        page.open(used)
        assert page.is_shown("#gate")
        assert "ragcli serve --open" in page.texts("#gate")[0]
        assert page.texts(".hit") == []
        page.open(used.partition("#")[0])
        assert page.is_shown("#gate")


EVIL = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script><b>bold</b>'


def test_markup_in_documents_is_text(ragcli, started_server, tmp_path):
    notes, home = tmp_path / "notes", tmp_path / "home"
    notes.mkdir()
    name = "<b onmouseover=alert(1)>a.txt"
    (notes / name).write_text(f"The harbour master writes {EVIL} into the log.\u202e\x1b[31m Then he sleeps.")
    (notes / "b.md").write_text(f"# {EVIL} harbour\n\nThe harbour {EVIL} is quiet.")
    (notes / "<svg onload=alert(1)>.bin").write_bytes(b"\0\1\2")
    assert ragcli("index", str(notes), "-i", "samples").returncode in (0, 3)
    with started_server(home, "--open") as running, browsing() as page:
        page.open(running.page)
        page.search("harbour master log")
        assert name in page.texts(".hit .place a")
        assert EVIL in "".join(page.texts(".snippet"))
        page.js("[...document.querySelectorAll('.hit a')].find((one) => one.textContent.startsWith('<b')).click()")
        page.until("document.querySelector('#detail .passage')")
        assert EVIL in page.texts("#detail .passage")[0]
        assert "\\u202e" in page.texts("#detail .passage")[0]
        assert "\u241b" in page.texts("#detail .passage")[0]
        for view in ("map", "left-out"):
            page.js("document.querySelector(`nav a[data-view=${arguments[0]}]`).click()", view)
        page.until("document.querySelectorAll('#reasons li').length")
        assert "<svg onload=alert(1)>.bin" in "".join(page.texts("#reasons li"))
        assert page.js("window.pwned") is None
        assert page.js(MADE) == 0
        assert page.faults() == []


def test_the_newest_question_wins(served, visitor, keys):
    """Each key asks, and answers come in any order: what stays is the answer to what stands in the field."""
    with browsing() as page:
        page.open(link(served))
        for question in ("attention", "byte pair encoding", "gradient descent without gradients"):
            page.js("document.querySelector('#q').focus()")
            page.type(keys.CONTROL, "a", keys.NULL)
            for letter in question:
                page.type(letter)
        page.until("results?.careful && JSON.parse(results.key).query === 'gradient descent without gradients'")
        time.sleep(0.5)
        hits = visitor.post("/v1/query", {"query": "gradient descent without gradients"}).json["hits"]
        assert page.texts(".hit .snippet") == [hit["snippet"]["text"] for hit in hits]


TOO_WIDE = """
[...document.querySelectorAll("main *, .top *")]
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1)
    .map((one) => one.outerHTML.slice(0, 90))
"""

# What is written on the page, in which colour, and on which.
COLOURS = """
(() => {
    const behind = (one) => {
        for (let at = one; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (!/, 0\\)|transparent/.test(colour)) return colour;
        }
    };
    const isWritten = (one) => one.checkVisibility({ opacityProperty: true }) && !one.disabled
        && [...one.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.textContent.trim());
    return [...document.querySelectorAll("body *")].filter(isWritten)
        .map((one) => [one.className || one.tagName, getComputedStyle(one).color, behind(one)]);
})()
"""

MADE = """
document.querySelectorAll("main img, main script, main svg, main b[onmouseover], #hits b:not(.chance b)").length
"""

YELLOW = """
(() => {
    const canvas = document.querySelector("#detail canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let found = 0;
    for (let at = 0; at < data.length; at += 4) if (data[at] > 240 && data[at + 2] < 160) found += 1;
    return found;
})()
"""

VIEWS = ("start", "hits", "filters", "text", "pdf", "map", "left-out", "help")


def show(page: Browser, view: str) -> None:
    """Bring the page, which is open, to a view."""
    if view == "hits":
        page.search(QUESTION)
    elif view == "filters":
        page.js("document.querySelector('#filters').open = true")
    elif view in ("text", "pdf"):
        suffix = ".pdf" if view == "pdf" else ".txt"
        page.js(
            "[...document.querySelectorAll('.hit a')].find((one) => one.textContent.endsWith(arguments[0])).click()",
            suffix,
        )
        page.until(
            "document.querySelector('#detail canvas')?.dataset.page"
            if view == "pdf"
            else "document.querySelector('#detail .passage')"
        )
    elif view in ("map", "left-out"):
        page.js("document.querySelector(`nav a[data-view=${arguments[0]}]`).click()", view)
        page.until(
            "document.querySelectorAll('#groups tr').length"
            if view == "map"
            else "document.querySelectorAll('#reasons li').length"
        )
    elif view == "help":
        page.js("document.querySelector('#help-open').click()")


CONTROLS = {
    "button", "link", "textbox", "searchbox", "combobox", "checkbox", "listbox", "DisclosureTriangle", "Date", "dialog",
    "image", "img", "canvas", "figure", "table", "navigation", "search", "group",
}  # fmt: skip


@pytest.mark.parametrize("width", [1280, 360])
def test_every_control_has_a_name_and_nothing_is_too_wide(served, width):
    with browsing(width, 740) as page:
        page.open(link(served))
        for view in VIEWS:
            show(page, view)
            assert page.js("document.documentElement.scrollWidth <= innerWidth"), view
            assert page.js(TOO_WIDE) == [], view
            nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
            seen = [
                (node["role"]["value"], node.get("name", {}).get("value", "").strip())
                for node in nodes
                if not node.get("ignored")
            ]
            unnamed = [
                role for role, name in seen if role in CONTROLS - {"group", "img", "image", "table"} and not name
            ]
            assert unnamed == [], (view, unnamed)
            assert len([role for role, _ in seen if role in CONTROLS]) >= 3
        assert page.faults() == []


def luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    parts = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_in_light_and_dark(served, dark):
    """WCAG 2 asks for a contrast of 4.5 between text and what is behind it."""
    with browsing(dark=dark) as page:
        page.open(link(served))
        page.search(QUESTION)
        show(page, "text")
        found = page.js(COLOURS)
        assert len(found) > 40
        for what, front, back in found:
            high, low = sorted(
                (luminance(tuple(map(float, re.findall(r"[\d.]+", one)[:3]))) for one in (front, back)), reverse=True
            )
            assert (high + 0.05) / (low + 0.05) >= 4.5, (what, front, back)
        background = tuple(
            map(float, re.findall(r"[\d.]+", page.js("getComputedStyle(document.documentElement).backgroundColor"))[:3])
        )
        assert (luminance(background) < 0.1) == dark
