from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest
from archives import FILES, MODEL, make_archive

from tfod_toolkit.errors import (
    BadDataError,
    CannotWriteError,
    MissingInputError,
    UnavailableError,
)
from tfod_toolkit.zoo import Zoo, find
from tfod_toolkit.zoo.lock import LockFile

PATH = f"/{MODEL.location}"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_model_is_fetched_unpacked_and_recorded(server, zoo_at, tmp_path: Path):
    server.files[PATH] = make_archive()
    zoo = zoo_at(server.url)
    found = zoo.fetch(MODEL)
    assert found.folder == tmp_path / "cache" / MODEL.archive
    assert found.checkpoint == found.folder / "checkpoint" / "ckpt-0"
    assert found.config == found.folder / "pipeline.config"
    for name, content in FILES.items():
        assert (found.folder / name).read_bytes() == content
    lock = json.loads((tmp_path / "zoo.lock").read_text())
    archive = server.files[PATH]
    assert lock == {MODEL.location: {"size": len(archive), "sha256": sha(archive)}}
    left = {path.name for path in (tmp_path / "cache").iterdir()}
    assert left == {MODEL.archive, f".{MODEL.archive}.busy"}


def test_a_warm_cache_needs_no_server(server, zoo_at):
    server.files[PATH] = make_archive()
    first = zoo_at(server.url).fetch(MODEL)
    assert zoo_at("http://127.0.0.1:9").fetch(MODEL) == first
    assert len(server.asked) == 1


@pytest.mark.parametrize("etag", [True, False])
def test_a_connection_cut_five_times_is_resumed(server, zoo_at, said, etag: bool):
    server.files[PATH] = make_archive()
    server.cuts, server.etag = 5, etag
    found = zoo_at(server.url).fetch(MODEL)
    assert (found.folder / "checkpoint/ckpt-0.data-00000-of-00001").read_bytes() == FILES[
        "checkpoint/ckpt-0.data-00000-of-00001"
    ]
    starts = [wanted for _, wanted in server.asked]
    assert starts == [None, *(f"bytes={n * 100_000}-" for n in range(1, 6))]
    assert found.sha256 == sha(server.files[PATH])
    assert said.lines[1] == "the connection was cut; going on from 0.1 MB"


def test_a_part_of_an_earlier_attempt_is_gone_on_from(server, zoo_at):
    server.files[PATH] = make_archive()
    server.cuts, server.cut_after = 1, 500_000
    server.failures = 0
    zoo = zoo_at(server.url)
    server.status = 503

    def fail_afterwards(done: int, size: int | None) -> None:
        if done == 500_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Zoo(zoo.cache, zoo.lock, server.url, progress=fail_afterwards).fetch(MODEL)
    zoo.fetch(MODEL)
    assert server.asked[-1] == (PATH, "bytes=500000-")


def test_a_part_of_another_file_is_thrown_away(server, zoo_at):
    old, new = make_archive({**FILES, "saved_model/saved_model.pb": b"older"}), make_archive()
    server.files[PATH], server.cuts = old, 1
    zoo = zoo_at(server.url)

    class StopError(Exception):
        pass

    def stop(text: str) -> None:
        if "going on" in text:
            raise StopError

    with pytest.raises(StopError):
        Zoo(zoo.cache, zoo.lock, server.url, say=stop).fetch(MODEL)
    server.files[PATH] = new
    assert zoo.fetch(MODEL).sha256 == sha(new)


def test_a_server_without_ranges_is_read_from_the_start_again(server, zoo_at):
    server.files[PATH] = make_archive()
    server.ranges, server.cuts, server.cut_after = False, 1, 300_000
    assert zoo_at(server.url).fetch(MODEL).sha256 == sha(server.files[PATH])


def test_a_server_that_is_busy_is_asked_again(server, zoo_at, said):
    server.files[PATH] = make_archive()
    server.failures = 2
    zoo_at(server.url).fetch(MODEL)
    assert said.lines[1] == "503 Service Unavailable; again"
    assert said.waits == [0.5, 1.0]


def test_a_server_that_stays_busy_is_given_up(server, zoo_at):
    server.failures = 99
    with pytest.raises(UnavailableError) as caught:
        zoo_at(server.url).fetch(MODEL)
    assert caught.value.message == f"cannot fetch {server.url}{PATH}: 503 Service Unavailable"
    assert len(server.asked) == 4


def test_a_server_that_never_answers_is_given_up(server, zoo_at, monkeypatch):
    monkeypatch.setenv("TFOD_ZOO_TIMEOUT", "0.1")
    server.hold = threading.Event()
    try:
        with pytest.raises(UnavailableError) as caught:
            zoo_at(server.url).fetch(MODEL)
    finally:
        server.hold.set()
    assert caught.value.message == f"cannot fetch {server.url}{PATH}: no answer for 0.1 seconds"


def test_nobody_at_the_address_is_said(zoo_at):
    with pytest.raises(UnavailableError, match=r"cannot fetch http://127.*: Connection "):
        zoo_at("http://127.0.0.1:9").fetch(MODEL)


def test_an_archive_that_is_not_there_is_named(server, zoo_at):
    with pytest.raises(MissingInputError) as caught:
        zoo_at(server.url).fetch(MODEL)
    assert caught.value.message == (
        f"there is no archive at {server.url}{PATH} or {server.url}/{MODEL.archive}.tar.gz"
    )
    assert caught.value.hint == "check TFOD_ZOO_MIRROR"


def test_a_mirror_may_be_flat(server, zoo_at):
    server.files[f"/{MODEL.archive}.tar.gz"] = make_archive()
    assert zoo_at(f"{server.url}/").fetch(MODEL).name == MODEL.name


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_mirror_may_be_a_folder(tmp_path: Path, zoo_at, prefix: str):
    place = tmp_path / "mirror" / MODEL.location
    place.parent.mkdir(parents=True)
    place.write_bytes(make_archive())
    assert zoo_at(f"{prefix}{tmp_path / 'mirror'}").fetch(MODEL).config is not None
    assert place.is_file()


def test_a_later_mismatch_is_refused(server, zoo_at, tmp_path: Path):
    server.files[PATH] = make_archive()
    zoo_at(server.url).fetch(MODEL)
    server.files[PATH] = make_archive({**FILES, "checkpoint/ckpt-0.index": b"xndei"})
    with pytest.raises(BadDataError) as caught:
        zoo_at(server.url, cache="other").fetch(MODEL)
    assert caught.value.message.startswith(
        f"the archive of {MODEL.name} is not the one that {tmp_path}/zoo.lock names: SHA-256 "
    )
    assert not (tmp_path / "other" / MODEL.archive).exists()
    server.files[PATH] = server.files[PATH] + b"more"
    with pytest.raises(BadDataError, match=r"names: 1\.0 MB in place of 1\.0 MB"):
        zoo_at(server.url, cache="other").fetch(MODEL)


def refused(server, zoo_at, archive: bytes) -> BadDataError:
    server.files[PATH] = archive
    zoo = zoo_at(server.url)
    with pytest.raises(BadDataError) as caught:
        zoo.fetch(MODEL)
    assert zoo.find(MODEL) is None
    assert zoo.lock.get(MODEL.location) is None
    assert [path.name for path in zoo.cache.iterdir()] == [f".{MODEL.folder}.busy"]
    return caught.value


def test_a_truncated_archive_is_refused(server, zoo_at):
    error = refused(server, zoo_at, make_archive()[:-2000])
    assert error.message.startswith(f"{MODEL.folder}.tar.gz is cut short or damaged: ")
    assert error.hint == "fetch it again"


def test_an_archive_with_a_flipped_bit_is_refused(server, zoo_at):
    damaged = bytearray(make_archive())
    damaged[len(damaged) // 2] ^= 1
    assert "is cut short or damaged" in refused(server, zoo_at, bytes(damaged)).message


def test_a_page_is_no_archive(server, zoo_at):
    error = refused(server, zoo_at, b"<html>Please log in</html>")
    assert "is cut short or damaged: not a gzip file" in error.message


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("../outside", tarfile.REGTYPE, "lies outside of it"),
        ("model/../../outside", tarfile.REGTYPE, "lies outside of it"),
        ("/etc/outside", tarfile.REGTYPE, "lies outside of it"),
        ("model/link", tarfile.SYMTYPE, "is a link or device, not a file"),
        ("model/hard", tarfile.LNKTYPE, "is a link or device, not a file"),
        ("model/pipe", tarfile.FIFOTYPE, "is a link or device, not a file"),
    ],
)
def test_an_archive_that_reaches_out_is_refused(server, zoo_at, name, kind, reason):
    evil = io.BytesIO()
    with tarfile.open(fileobj=evil, mode="w:gz") as tar:
        harmless = tarfile.TarInfo("model/pipeline.config")
        tar.addfile(harmless, io.BytesIO())
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    error = refused(server, zoo_at, evil.getvalue())
    assert error.message == f"{MODEL.folder}.tar.gz is not unpacked: {name!r} {reason}"
    assert not list(zoo_at("").cache.parent.glob("outside"))


def test_a_bomb_is_refused(server, zoo_at):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("model/zeros")
        member.size = 8_000_000
        tar.addfile(member, io.BytesIO(bytes(member.size)))
    assert (
        "unpacks to far more than a model: a bomb"
        in refused(server, zoo_at, buffer.getvalue()).message
    )


@pytest.mark.parametrize(
    ("absent", "message"),
    [
        ("checkpoint/ckpt-0.data-00000-of-00001", "lacks its data file (ckpt-0.data-...)"),
        ("checkpoint/ckpt-0.index", "holds no checkpoint"),
        ("pipeline.config", "holds no pipeline.config"),
    ],
)
def test_an_archive_that_lacks_a_part_is_refused(server, zoo_at, absent, message):
    files = {name: content for name, content in FILES.items() if name != absent}
    assert message in refused(server, zoo_at, make_archive(files)).message


def test_a_data_file_that_goes_missing_later_is_noticed(server, zoo_at):
    server.files[PATH] = make_archive()
    zoo = zoo_at(server.url)
    folder = zoo.fetch(MODEL).folder
    (folder / "checkpoint/ckpt-0.data-00000-of-00001").unlink()
    with pytest.raises(BadDataError, match="lacks its data file") as caught:
        zoo.fetch(MODEL)
    assert caught.value.hint == f"remove {folder} and fetch it again"


def test_extremenet_comes_without_a_config(server, zoo_at):
    model = find("ExtremeNet")
    files = {"ckpt-1.index": b"i", "ckpt-1.data-00000-of-00001": b"d"}
    server.files[f"/{model.location}"] = make_archive(files, top="extremenet")
    found = zoo_at(server.url).fetch(model)
    assert (found.config, found.checkpoint.name) == (None, "ckpt-1")


def test_a_full_disk_is_said_before_anything_is_written(server, zoo_at, monkeypatch):
    server.files[PATH] = make_archive()
    from tfod_toolkit.zoo import archive

    usage = archive.shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: usage)
    zoo = zoo_at(server.url)
    with pytest.raises(CannotWriteError) as caught:
        zoo.fetch(MODEL)
    assert caught.value.message == (
        f"fetching {server.url}{PATH} needs 1.0 MB, but {zoo.cache} has 0.0 MB left"
    )


def test_a_cache_that_cannot_be_written_is_said(server, tmp_path: Path):
    (tmp_path / "file").touch()
    zoo = Zoo(tmp_path / "file" / "cache", LockFile(tmp_path / "zoo.lock"), server.url)
    with pytest.raises(CannotWriteError, match=r"cannot write .*file/cache"):
        zoo.fetch(MODEL)


def test_a_folder_that_is_no_model_is_not_overwritten(server, zoo_at):
    server.files[PATH] = make_archive()
    zoo = zoo_at(server.url)
    (zoo.cache / MODEL.folder).mkdir(parents=True)
    with pytest.raises(BadDataError, match="is there, but holds no model"):
        zoo.fetch(MODEL)


def test_a_model_that_was_put_there_by_hand_is_used(zoo_at):
    zoo = zoo_at("http://127.0.0.1:9")
    for name, content in FILES.items():
        path = zoo.cache / MODEL.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert zoo.fetch(MODEL).checkpoint.name == "ckpt-0"


def test_verify_names_each_file_that_changed(server, zoo_at):
    server.files[PATH] = make_archive()
    zoo = zoo_at(server.url)
    folder = zoo.fetch(MODEL).folder
    assert zoo.verify(MODEL) == []
    (folder / "saved_model/saved_model.pb").write_bytes(b"grapH")
    (folder / "pipeline.config").write_bytes(b"")
    (folder / "checkpoint/checkpoint").unlink()
    assert zoo.verify(MODEL) == [
        f"{folder}/pipeline.config has 0 bytes, not {len(FILES['pipeline.config'])}",
        f"{folder}/checkpoint/checkpoint is not there",
        f"{folder}/saved_model/saved_model.pb is not what was unpacked",
    ]


def test_verify_needs_a_model(zoo_at):
    with pytest.raises(MissingInputError, match=r"SSD MobileNet v2 320x320 is not in"):
        zoo_at("x").verify(MODEL)


def test_a_broken_lock_file_is_named(server, zoo_at, tmp_path):
    server.files[PATH] = make_archive()
    (tmp_path / "zoo.lock").write_text("[]")
    with pytest.raises(BadDataError, match=r"zoo\.lock is not a lock file"):
        zoo_at(server.url).fetch(MODEL)


def test_eight_processes_fetch_once(server, tmp_path: Path):
    server.files[PATH] = make_archive()
    program = (
        "import sys; from tfod_toolkit.zoo import Zoo, find; "
        "print(Zoo.of_environment().fetch(find(sys.argv[1])).folder)"
    )
    environment = {
        "TFOD_ZOO_CACHE": str(tmp_path / "cache"),
        "TFOD_ZOO_MIRROR": server.url,
        "PATH": "/usr/bin",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, MODEL.name],
            env=environment,
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    outputs = [process.communicate()[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * 8
    assert set(outputs) == {str(tmp_path / "cache" / MODEL.archive)}
    assert len(server.asked) == 1
    assert json.loads((tmp_path / "cache" / "zoo.lock").read_text())


def test_where_models_lie_is_said_by_the_environment(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    zoo = Zoo.of_environment(environment={"XDG_CACHE_HOME": "/x"})
    assert (zoo.cache, zoo.lock.path) == (
        Path("/x/tfod-toolkit/zoo"),
        Path("/x/tfod-toolkit/zoo/zoo.lock"),
    )
    (tmp_path / "zoo.lock").touch()
    assert Zoo.of_environment(environment={}).lock.path == Path("zoo.lock")
    named = Zoo.of_environment(environment={"TFOD_ZOO_CACHE": "/c", "TFOD_ZOO_LOCK": "/l"})
    assert (named.cache, named.lock.path) == (Path("/c"), Path("/l"))
