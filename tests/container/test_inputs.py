"""Records from S3: in parallel parts, resumed when cut, re-used, checked; over a real HTTP."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sidecar.conftest import BUCKET
from tfod_toolkit.cloud import transfer
from tfod_toolkit.cloud.session import s3_client
from tfod_toolkit.container import inputs as module
from tfod_toolkit.container.inputs import Inputs
from tfod_toolkit.dataset import find_records, fingerprint
from tfod_toolkit.errors import (
    BadDataError,
    CannotWriteError,
    Interrupted,
    MissingInputError,
    UnavailableError,
)
from tfod_toolkit.training import Interruption

URL = f"s3://{BUCKET}/data/scenes"


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 4 KiB, so that small files have many."""
    monkeypatch.setattr(transfer, "PART", 1 << 12)
    monkeypatch.setattr(module, "PART", 1 << 12)
    from tfod_toolkit.cloud import session

    monkeypatch.setattr(session, "TRIES", 1)


@pytest.fixture
def client(proxy: Any, emulator: str, sample_records: Path) -> Iterator[Any]:
    """A client past the proxy; the records are in the bucket."""
    made = s3_client(endpoint=emulator)
    for path in sample_records.iterdir():
        made.put_object(Bucket=BUCKET, Key=f"data/scenes/{path.name}", Body=path.read_bytes())
    made.put_object(Bucket=BUCKET, Key="data/scenes/notes/readme.txt", Body=b"not asked for")
    return made


class Said(list[str]):
    """What is said, and how far it was."""

    def __init__(self) -> None:
        super().__init__()
        self.progress: list[tuple[int, int]] = []


def inputs(folder: Path, said: Said) -> Inputs:
    return Inputs(
        folder,
        s3_client(),
        lambda done, size: said.progress.append((done, size)),
        said.append,
        lambda seconds: None,
    )


def bytes_asked(proxy: Any) -> list[str]:
    return [call.path for call in proxy.calls if call.method == "GET" and call.status == 206]


def test_records_come_whole_in_parts_and_are_not_brought_twice(
    proxy, client, small_parts, sample_records, tmp_path
):
    said = Said()
    folder = inputs(tmp_path, said).records(URL)
    assert folder == tmp_path / BUCKET / "data" / "scenes"
    found = find_records(folder)
    assert fingerprint(found.training) == fingerprint(find_records(sample_records).training)
    done, size = said.progress[-1]
    assert done == size == sum(path.stat().st_size for path in sample_records.iterdir())
    parts = bytes_asked(proxy)
    assert len(parts) > 10
    assert not any("readme" in path for path in parts)
    assert not list(folder.glob("*.part*"))

    again = Said()
    assert inputs(tmp_path, again).records(URL) == folder
    assert bytes_asked(proxy) == parts
    assert again == [f"{URL} is in {folder} already"]


def test_what_changed_in_s3_is_brought_again(proxy, client, tmp_path):
    folder = inputs(tmp_path, Said()).records(URL)
    text = (folder / "classes.pbtxt").read_text() + "\n"
    client.put_object(Bucket=BUCKET, Key="data/scenes/classes.pbtxt", Body=text.encode())
    before = len(bytes_asked(proxy))
    inputs(tmp_path, Said()).records(URL)
    assert (folder / "classes.pbtxt").read_text() == text
    assert [path.rpartition("/")[2] for path in bytes_asked(proxy)[before:]] == ["classes.pbtxt"]


def test_a_connection_that_is_cut_goes_on_with_the_missing_parts(
    proxy, client, small_parts, sample_records, tmp_path
):
    asked = {"parts": 0}

    def every_third(method: str, path: str) -> object:
        if method == "GET" and path.endswith("training.record"):
            asked["parts"] += 1
            return "cut" if asked["parts"] % 3 == 0 else None
        return None

    proxy.fault = every_third
    said = Said()
    folder = inputs(tmp_path, said).records(URL)
    whole = (sample_records / "training.record").read_bytes()
    assert (folder / "training.record").read_bytes() == whole
    assert any("going on with what is missing" in line for line in said)
    # With those that were cut, each part was asked for once, and some that were under way twice.
    assert asked["parts"] < 3 * (len(whole) // (1 << 12))


def test_a_killed_download_goes_on_where_it_was(proxy, client, small_parts, tmp_path):
    """The journal beside the file says which parts it has."""
    whole = {"left": 6}

    def no_more(method: str, path: str) -> object:
        if method == "GET" and path.endswith("training.record"):
            whole["left"] -= 1
            return None if whole["left"] >= 0 else "500"
        return None

    proxy.fault = no_more
    with pytest.raises(UnavailableError):
        inputs(tmp_path, Said()).records(URL)
    folder = tmp_path / BUCKET / "data" / "scenes"
    journal = (folder / "training.record.part.log").read_text().splitlines()
    assert len(journal) == 1 + 6
    with (folder / "training.record.part.log").open("a") as file:
        file.write("655")  # the process died while it wrote
    proxy.fault = lambda method, path: None
    before = len(proxy.calls)
    inputs(tmp_path, Said()).records(URL)
    size = (folder / "training.record").stat().st_size
    parts = [
        call
        for call in proxy.calls[before:]
        if call.method == "GET" and call.path.endswith("training.record")
    ]
    assert len(parts) == -(-size // (1 << 12)) - 6
    assert not list(folder.glob("*.part*"))


def test_a_signal_ends_a_download_and_the_next_one_goes_on(proxy, client, small_parts, tmp_path):
    made = inputs(tmp_path, Said())
    main = threading.main_thread().ident
    once = threading.Lock()  # parts in parallel say how far they are; a second signal would kill

    def stop(done: int, size: int) -> None:
        if done > size // 2 and main and once.acquire(blocking=False):
            signal.pthread_kill(main, signal.SIGTERM)

    made.progress = stop
    with pytest.raises(Interrupted), Interruption():
        made.records(URL)
    folder = tmp_path / BUCKET / "data" / "scenes"
    assert list(folder.glob("*.part.log"))
    inputs(tmp_path, Said()).records(URL)
    assert not list(folder.glob("*.part*"))


def without(client: Any, *names: str) -> None:
    for name in names:
        client.delete_object(Bucket=BUCKET, Key=f"data/scenes/{name}")


def test_a_folder_that_lacks_records_is_refused_before_anything_is_brought(proxy, client, tmp_path):
    without(client, "testing.record", "classes.pbtxt")
    with pytest.raises(MissingInputError) as caught:
        inputs(tmp_path, Said()).records(URL)
    assert caught.value.message == f"{URL} has no testing.record, no classes.pbtxt"
    assert not bytes_asked(proxy)


def test_shards_that_are_not_all_there_are_named(proxy, client, tmp_path):
    without(client, "training.record")
    for number in (0, 2):
        key = f"data/scenes/training.record-{number:05d}-of-00003"
        client.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    with pytest.raises(MissingInputError, match=r"training\.record-00001-of-00003"):
        inputs(tmp_path, Said()).records(URL)


def test_records_that_are_not_those_of_their_dataset_json(proxy, client, tmp_path):
    folder = inputs(tmp_path, Said()).records(URL)
    info = json.loads((folder / "dataset.json").read_text())
    body = json.dumps(info | {"fingerprint": "another"}).encode()
    client.put_object(Bucket=BUCKET, Key="data/scenes/dataset.json", Body=body)
    with pytest.raises(BadDataError) as caught:
        inputs(tmp_path, Said()).records(URL)
    assert f"{URL} is not the dataset that its dataset.json describes" in caught.value.message
    client.put_object(Bucket=BUCKET, Key="data/scenes/dataset.json", Body=b"{}")
    with pytest.raises(BadDataError, match=r"dataset\.json is damaged"):
        inputs(tmp_path, Said()).records(URL)


def test_records_built_anew_in_other_shards_take_the_place_of_the_old(
    proxy, client, sample_records, tmp_path
):
    folder = inputs(tmp_path, Said()).records(URL)
    whole = (sample_records / "training.record").read_bytes()
    without(client, "training.record", "dataset.json")
    key = "data/scenes/training.record-00000-of-00001"
    client.put_object(Bucket=BUCKET, Key=key, Body=whole)
    inputs(tmp_path, Said()).records(URL)
    assert [path.name for path in find_records(folder).training] == [key.rpartition("/")[2]]


def test_a_disk_without_room_is_named_before_anything_is_brought(
    proxy, client, monkeypatch, tmp_path
):
    class Full:
        free = 1000

    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: Full)
    with pytest.raises(CannotWriteError, match=r"are needed, 0\.0 MB are free"):
        inputs(tmp_path, Said()).records(URL)
    assert not bytes_asked(proxy)


def test_a_small_file(proxy, client, tmp_path):
    client.put_object(Bucket=BUCKET, Key="h.json", Body=b'{"train_steps": 3}')
    path = inputs(tmp_path, Said()).file(f"s3://{BUCKET}/h.json", "hyperparameters file")
    assert json.loads(path.read_text()) == {"train_steps": 3}
    with pytest.raises(MissingInputError, match="there is no override s3://"):
        inputs(tmp_path, Said()).file(f"s3://{BUCKET}/none.config", "override")
    with pytest.raises(MissingInputError, match="there is no bucket no-such-one"):
        inputs(tmp_path, Said()).file("s3://no-such-one/x", "override")
