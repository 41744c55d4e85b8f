import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ragcli.errors import IndexBusy, RagcliError
from ragcli.index.lock import uninterrupted, writer_lock

HOLDER = """
import sys, time
from pathlib import Path
from ragcli.index.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / "i"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_writer_is_told_who_holds_the_index(tmp_path, holder):
    with pytest.raises(IndexBusy, match=rf"process {holder.pid} on .* since 20"), writer_lock(tmp_path / "i"):
        pass


def test_a_holder_that_cannot_be_named(tmp_path, holder):
    for content in ("", "{", "[]", '{"pid": 1}'):
        (tmp_path / "i" / "writer.json").write_text(content, encoding="utf-8")
        with pytest.raises(IndexBusy, match="another process"), writer_lock(tmp_path / "i"):
            pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_lock_of_a_dead_process_is_free(tmp_path, holder, number):
    holder.send_signal(number)
    holder.wait()
    with writer_lock(tmp_path / "i"):
        assert f'"pid": {os.getpid()}' in (tmp_path / "i" / "writer.json").read_text(encoding="utf-8")
    assert not (tmp_path / "i" / "writer.json").exists()


def test_one_process_cannot_hold_it_twice_but_again(tmp_path):
    for _ in range(2):
        with writer_lock(tmp_path):
            with pytest.raises(IndexBusy, match=f"process {os.getpid()}"), writer_lock(tmp_path):
                pass
            assert (tmp_path / "writer.json").exists()
    with pytest.raises(ZeroDivisionError), writer_lock(tmp_path):
        raise ZeroDivisionError
    with writer_lock(tmp_path):
        pass


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        with pytest.raises(RagcliError, match=r"cannot write to .*--home"), writer_lock(tmp_path / place):
            pass


def test_ctrl_c_waits_for_the_end_of_the_step():
    done = []

    def step():
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            done.append("whole")

    with pytest.raises(KeyboardInterrupt):
        step()
    assert done == ["whole"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with uninterrupted():
        done.append("no signal, nothing raised")


def test_an_ignored_ctrl_c_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_error_in_the_step_comes_out_and_the_handler_is_back():
    with pytest.raises(ValueError, match="from within"), uninterrupted():
        raise ValueError("from within")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_have_no_signals_to_hold_back():
    done = []

    def run():
        with uninterrupted():
            done.append(Path().exists())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done == [True]


def test_who_waits_is_told_for_whom_and_gets_the_lock_of_a_dead_process(tmp_path, holder):
    told = []

    def hear(fact):
        told.append(fact)
        holder.kill()

    with writer_lock(tmp_path / "i", hear):
        assert f'"pid": {os.getpid()}' in (tmp_path / "i" / "writer.json").read_text(encoding="utf-8")
    (fact,) = told
    assert f"process {holder.pid} on " in fact


def test_who_waits_can_be_stopped_with_ctrl_c(tmp_path, holder):
    def interrupt(_):
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt), writer_lock(tmp_path / "i", interrupt):
        pass
    assert holder.poll() is None
    holder.kill()
    holder.wait()
    with writer_lock(tmp_path / "i"):  # the interrupted wait left nothing behind that holds it
        pass


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "i").mkdir()
    (tmp_path / "i" / "writer.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RagcliError, match="cannot write to"), writer_lock(tmp_path / "i"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_file_that_was_removed_while_it_was_waited_for_guards_nothing(tmp_path, holder):
    """Another process may hold a new file of that name by then: who waited must take that one."""
    with writer_lock(tmp_path / "other"):
        pass

    def swap():
        (tmp_path / "other" / "writer.lock").replace(tmp_path / "i" / "writer.lock")
        holder.kill()

    def later(_):
        threading.Timer(0.3, swap).start()  # when the file is open and waited for

    with writer_lock(tmp_path / "i", later), pytest.raises(IndexBusy), writer_lock(tmp_path / "i"):
        pass
