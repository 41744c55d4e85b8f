"""Models from the Hugging Face hub: its cache on this machine first, then the network."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import huggingface_hub
from huggingface_hub import constants, errors
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from ragcli.errors import ModelUnavailable
from ragcli.models.files import MODEL_NAME, missing

_ORGANISATION = "sentence-transformers"  # what SentenceTransformer puts before a bare name
_TIMEOUT = 5.0  # seconds without an answer
_OFFLINE_SWITCHES = ("RAGCLI_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_ADD = "bring it here with `ragcli models add FOLDER`"

log = logging.getLogger("ragcli")


def fetch(name: str, *, offline: bool = False) -> tuple[Path, str, str]:
    """(folder, repository name, commit) of a hub model, downloaded when it is not in the local cache.

    ModelUnavailable, within seconds and in one line, when neither has it.
    """
    if not MODEL_NAME.fullmatch(name):
        raise ModelUnavailable(f"{name!r} is neither a folder, an added model nor the name of a hub model")
    repository = name if "/" in name else f"{_ORGANISATION}/{name}"
    if cached := _cached(repository):
        return cached, repository, cached.name
    if switch := _offline_switch(offline):
        raise ModelUnavailable(
            f"the model {name} is not on this machine (not added, and not in the Hugging Face cache "
            f"{constants.HF_HUB_CACHE}), and ragcli is offline ({switch})",
            _ADD,
        )
    log.info("downloading %s from %s", repository, constants.ENDPOINT)
    try:
        with _quiet():
            folder = _download(repository)
    except Exception as error:
        # requests, httpx or httpx2, by the version of huggingface_hub: their errors share only the base class Exception
        if (refusal := _refusal(name, repository, error)) is None:
            raise
        raise refusal from error
    if lacks := missing(folder):
        raise ModelUnavailable(f"{repository} cannot be used here: it has no {' and no '.join(lacks)}")
    return folder, repository, folder.name


def _download(repository: str) -> Path:
    info = huggingface_hub.HfApi().model_info(repository, timeout=_TIMEOUT)
    files = needed([sibling.rfilename for sibling in info.siblings or []])
    weights = [file for file in files if file.endswith((".safetensors", ".bin"))]
    # the weights last: a folder that has them is complete, even after a download that was cut short
    for part in ([file for file in files if file not in weights], weights):
        if part:
            folder = huggingface_hub.snapshot_download(repository, allow_patterns=part, etag_timeout=_TIMEOUT)
    return Path(folder)


def needed(paths: Sequence[str]) -> list[str]:
    """The files of a model folder that running it needs: no exports to other runtimes, no second weights."""
    found = [PurePosixPath(path) for path in paths]
    safe = {path.parent for path in found if path.suffix == ".safetensors"}
    return [str(path) for path in found if _is_needed(path, safe)]


def _is_needed(path: PurePosixPath, safe: set[PurePosixPath]) -> bool:
    if any(part.startswith(".") or part in {"onnx", "openvino"} for part in path.parts):
        return False
    if path.suffix == ".safetensors":
        return path.name.startswith(("model", "adapter_model"))
    if path.name.startswith("pytorch_model"):
        return path.parent not in safe
    return path.suffix in {".json", ".txt", ".model", ".jinja"}


def _cached(repository: str) -> Path | None:
    for name in ("modules.json", "config.json"):  # the second for plain transformers
        found = huggingface_hub.try_to_load_from_cache(repository, name)
        if isinstance(found, str):
            folder = Path(found).parent
            return None if missing(folder) else folder
    return None


def _offline_switch(offline: bool) -> str:
    if offline:
        return "--offline"
    # constants holds what the variables said when huggingface_hub was imported
    named = next(
        (name for name in _OFFLINE_SWITCHES if os.environ.get(name, "").lower() in {"1", "true", "yes", "on"}), ""
    )
    return named or ("HF_HUB_OFFLINE" if constants.HF_HUB_OFFLINE else "")


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, log lines or warnings of the library on stderr."""
    logger = logging.getLogger("huggingface_hub")
    level, bars = logger.level, not are_progress_bars_disabled()
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            disable_progress_bars()
            yield
    finally:
        if bars:
            enable_progress_bars()
        logger.setLevel(level)


def _refusal(name: str, repository: str, error: BaseException) -> ModelUnavailable | None:
    """The line for the user, by the cause of the exception; None for a bug of ragcli."""
    hub = constants.ENDPOINT
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    start = f"the model {name} is not on this machine"
    if isinstance(error, errors.GatedRepoError) or status == 403:
        return ModelUnavailable(
            f"{start} and {hub} restricts access to {repository}",
            f"accept its terms there and set HF_TOKEN, or {_ADD}",
        )
    if status in {401, 404} or isinstance(error, errors.RepositoryNotFoundError):
        # the hub answers 401 for what does not exist, so that private names do not leak
        return ModelUnavailable(
            f"{start} and {hub} has no public model {repository} (answer {status})",
            f"check the name, set HF_TOKEN if it is private, or {_ADD}",
        )
    if status is not None:
        return ModelUnavailable(f"{start} and {hub} answered {status} for {repository}", f"try again later, or {_ADD}")
    reason, hint = _reason(list(_chain(error)))
    if not reason:
        return None
    return ModelUnavailable(f"{start} and {hub} could not be reached for {repository}: {reason}", hint)


def _reason(chain: list[BaseException]) -> tuple[str, str]:
    """(what failed on the way to the hub, the way out); ("", "") when the network is not the cause."""
    kinds = " ".join(type(error).__name__ for error in chain)
    root = chain[-1]
    if any(isinstance(error, ssl.SSLError) for error in chain) or "CERTIFICATE_VERIFY" in str(chain[0]):
        return (
            f"its certificate is not trusted or TLS failed ({root})",
            f"name your network's certificates in SSL_CERT_FILE or REQUESTS_CA_BUNDLE, or {_ADD}",
        )
    proxy = _proxy()
    if "ProxyError" in kinds or (proxy and isinstance(root, OSError)):
        return f"the proxy {proxy} refused or did not answer ({root})", f"correct HTTPS_PROXY, or {_ADD}"
    ways = f"{_ADD}, or set HF_ENDPOINT (a mirror), HTTPS_PROXY, or SSL_CERT_FILE / REQUESTS_CA_BUNDLE"
    if any(isinstance(error, socket.gaierror) for error in chain):
        return "no network, or the name of the hub cannot be looked up", ways
    if "Timeout" in kinds:
        return f"no answer within {_TIMEOUT:.0f} s", ways
    if isinstance(root, OSError) or "Connect" in kinds:
        return f"no network ({root})", ways
    return "", ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def _proxy() -> str:
    """The proxy on the way to the hub, without user and password; "" when there is none."""
    from urllib.request import getproxies, proxy_bypass  # only an error line needs it

    hub = urlsplit(constants.ENDPOINT)
    proxies = getproxies()
    proxy = urlsplit(proxies.get(hub.scheme) or proxies.get("all") or "")
    if not proxy.hostname or proxy_bypass(hub.hostname or ""):
        return ""
    return proxy.hostname + (f":{proxy.port}" if proxy.port else "")
