"""Files that only LibreOffice opens: it turns them into OpenDocument, which is kept and read as such."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.odf import loader as odf
from ragcli.types import Document, Reason

SECONDS = 240.0  # of one file; the first start of LibreOffice alone may take 20 s
MISSING = "soffice is not on the PATH; install LibreOffice to read it"
_SHEETS = frozenset([".123", ".wk1", ".wk3", ".wk4", ".wb2", ".numbers", ".xlsb", ".sxc", ".stc", ".wks", ".wdb"])
_SLIDES = frozenset([".key", ".sxi", ".sti", ".ppt", ".pps", ".pot"])
_DRAWINGS = frozenset(
    [".pub", ".vsd", ".vsdx", ".vss", ".vst", ".vdx", ".sxd", ".std", ".cdr", ".p65", ".pm6", ".qxd", ".qxp"]
)
# LibreOffice takes what it does not know for text: noise under these names would become a document.
_BEGINNINGS = (
    bytes.fromhex("D0CF11E0A1B11AE1"), b"PK\3\4", b"\xffWPC", b"HWP Document File", b"WordPro", b"\x01\xfe", b"1\xbe",
    b"\xdb\xa5", b"\x9b\xa5", b"\0\0\2\0", b"\0\0\x1a\0", b"\xff\0\2\0",
)  # fmt: skip
_CLARIS = b"BOBO"  # from the fifth byte on
_RESTART = 81  # exit code of LibreOffice when it has made its profile and wants to start again
_LARGEST = 64 << 20  # bytes of what it writes

# It opens no link, runs no macro and reaches no machine: the proxy is a port that nobody listens on.
_SETTINGS = (
    ("Office.Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    ("Office.Common/Security/Scripting", "DisableMacrosExecution", "true"),
    ("Office.Common/Security/Scripting", "MacroSecurityLevel", "3"),
    ("Inet/Settings", "ooInetProxyType", "2"),
    *(("Inet/Settings", f"ooInet{kind}ProxyName", "127.0.0.1") for kind in ("HTTP", "HTTPS", "FTP")),
    *(("Inet/Settings", f"ooInet{kind}ProxyPort", "9") for kind in ("HTTP", "HTTPS", "FTP")),
    ("Office.Writer/Content/Update", "Link", "0"),
    ("Office.Calc/Content/Update", "Link", "2"),
)


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read what LibreOffice makes of a file.

    Raises LoadError: UNSUPPORTED without LibreOffice and when it does not open the file, DAMAGED, TIMED_OUT, TOO_LARGE,
    or what the OpenDocument loader finds.
    """
    suffix = path.suffix.lower()
    if suffix in _SHEETS:
        kind = "ods"
    elif suffix in _SLIDES:
        kind = "odp"
    else:
        kind = "odg" if suffix in _DRAWINGS else "odt"
    if kind in ("odt", "ods") and not data.startswith(_BEGINNINGS) and data[4:8] != _CLARIS:
        raise LoadError(Reason.DAMAGED, f"not a {suffix} file")
    made = _made(data, suffix, kind, options)
    document = odf.load(path.with_suffix(f".{kind}"), made, replace(options, password=None))
    return replace(document, path=path)


def _made(data: bytes, suffix: str, kind: str, options: LoadOptions) -> bytes:
    """The file as OpenDocument, from the cache where it was made before."""
    program = _program()
    state = program.stat()
    about = f"{program}\0{state.st_size}\0{state.st_mtime_ns}\0{suffix}\0{kind}\0".encode()
    kept = Path(options.cache, "office", hashlib.sha256(about + data).hexdigest()) if options.cache else None
    if kept is not None:
        with suppress(OSError):
            return kept.read_bytes()
    made = _convert(program, data, suffix, kind)
    if kept is not None:
        with suppress(OSError):  # a cache that cannot be written costs time only
            kept.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as draft:
                draft.write(made)
            Path(draft.name).replace(kept)
    return made


def _program() -> Path:
    """LibreOffice itself: ``soffice`` is a script that starts others, which would outlive it."""
    found = shutil.which("soffice")
    if found is None:
        raise LoadError(Reason.UNSUPPORTED, MISSING)
    script = Path(found).resolve()
    binary = script.with_name("soffice.bin")
    return binary if binary.is_file() else script


def _convert(program: Path, data: bytes, suffix: str, kind: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="ragcli-office-", ignore_cleanup_errors=True) as folder:
        source, profile = Path(folder, f"source{suffix}"), Path(folder, "profile")
        source.write_bytes(data)
        Path(profile, "user").mkdir(parents=True)
        Path(profile, "user", "registrymodifications.xcu").write_text(_registry(), encoding="utf-8")
        command = [
            str(program), f"-env:UserInstallation={profile.as_uri()}", "--headless", "--norestore", "--nolockcheck",
            "--convert-to", kind, "--outdir", folder, str(source),
        ]  # fmt: skip
        environment = {**os.environ, "HOME": folder, "SAL_USE_VCLPLUGIN": "svp"}
        try:
            for _ in range(2):
                done = subprocess.run(
                    command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False,
                    env=environment, cwd=folder,
                )  # fmt: skip
                if done.returncode != _RESTART:
                    break
        except subprocess.TimeoutExpired as error:
            raise LoadError(Reason.TIMED_OUT, f"LibreOffice took more than {SECONDS:g} s") from error
        except OSError as error:
            raise LoadError(Reason.UNSUPPORTED, f"LibreOffice does not start: {error.strerror}") from error
        made = source.with_suffix(f".{kind}")
        if not made.is_file():
            raise LoadError(Reason.UNSUPPORTED, "LibreOffice does not open it")
        if made.stat().st_size > _LARGEST:
            raise LoadError(Reason.TOO_LARGE, f"LibreOffice makes more than {_LARGEST >> 20} MiB of it")
        return made.read_bytes()


def _registry() -> str:
    items = "".join(
        f'<item oor:path="/org.openoffice.{place}"><prop oor:name="{name}" oor:op="fuse"><value>{value}</value></prop>'
        "</item>"
        for place, name, value in _SETTINGS
    )
    return f'<?xml version="1.0"?><oor:items xmlns:oor="http://openoffice.org/2001/registry">{items}</oor:items>'
