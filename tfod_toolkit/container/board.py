"""TensorBoard beside a training: there from the first second, gone with the training.

It runs as a process of its own, without TensorFlow: its own readers need none, and so it answers
a second after it was started, in a tenth of the memory.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Seconds to end by itself.
_PATIENCE = 5.0


@contextmanager
def board(folder: Path, host: str, port: int) -> Iterator[None]:
    """Show the metrics under a folder at ``http://HOST:PORT`` for the length of the body.

    It ends with this process too, however that ends.

    Args:
        folder: where the metrics are, or will be.
        host: address to listen on.
        port: likewise; 0: there is no TensorBoard.
    """
    if not port:
        yield
        return
    words = [str(folder), host, str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tfod_toolkit.container.board", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the trainer: TensorBoard shows its last steps too
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()


def main(words: Sequence[str]) -> None:
    """Serve until who started this is gone: until there is no more to read from it."""
    import logging

    sys.modules["tensorboard.compat.notf"] = _no_tensorflow()
    from tensorboard import default, program

    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    folder, host, port = words
    server = program.TensorBoard(default.get_plugins())
    given = ["tensorboard", "--logdir", folder, "--host", host, "--port", port]
    server.configure([*given, "--reload_interval", "5", "--load_fast", "true"])
    try:
        server.launch()
    except Exception as error:
        sys.stderr.write(f"warning: there is no TensorBoard: {error}\n")
        return
    sys.stderr.write(f"TensorBoard answers on port {port}\n")
    gone = threading.Event()
    threading.Thread(target=_await_end, args=(gone,), daemon=True).start()
    gone.wait()


def _await_end(gone: threading.Event) -> None:
    sys.stdin.read()
    gone.set()


def _no_tensorflow() -> types.ModuleType:
    """The module by whose presence TensorBoard knows that it is to do without TensorFlow."""
    return types.ModuleType("tensorboard.compat.notf")


if __name__ == "__main__":
    main(sys.argv[1:])
