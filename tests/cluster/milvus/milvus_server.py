"""Run a Milvus server until SIGTERM: ``python milvus_server.py lite|real DATA PORT [--auth]``.

``lite`` is the server of milvus-lite; ``real`` is Milvus 2.3.5 in one process, from the package ``milvus``. Prints the
id of the process to kill once it answers.
"""

import os
import signal
import sys
import time


def say(pid: int) -> None:
    sys.stdout.write(f"{pid}\n")
    sys.stdout.flush()


def run_lite(data: str, port: int) -> None:
    from milvus_lite.adapter.grpc.server import run_server

    say(os.getpid())  # it answers a moment later; whoever started it tries the port
    run_server(data_dir=data, host="127.0.0.1", port=port)


def run_real(data: str, port: int, auth: bool) -> None:
    from milvus import default_server as server

    server.set_base_dir(data)
    server.config.configs["proxy_port"] = port
    server.config.set("authorization_enabled", auth)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the server is stopped as this ends
    server.start()
    say(server.server_proc.pid)
    while server.server_proc.poll() is None:
        time.sleep(0.2)


if __name__ == "__main__":
    kind, data, port = sys.argv[1:4]
    if kind == "lite":
        run_lite(data, int(port))
    else:
        run_real(data, int(port), "--auth" in sys.argv)
