import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def memory_path():
    """Like tmp_path, but in memory where that can be had: every commit of an index waits for the disk."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="ragcli-test-", dir=shared if shared.is_dir() else None))
    yield folder
    shutil.rmtree(folder)
