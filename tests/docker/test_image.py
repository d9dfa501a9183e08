"""The images for real: built from the Dockerfile, run as a user without privileges."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.docker.conftest import MODEL, USER, Docker, program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

FOLDERS = ("experiments", "models", "records", "configs")
WORDS = (
    "/opt/tfod/models",
    "/opt/tfod/experiments/training",
    "/opt/tfod/experiments/exported_model",
    "/opt/tfod/records",
    MODEL,
)
#: Asks the TensorBoard of the same container for a run's losses until it has some.
ASK_TENSORBOARD = """
import json, time, urllib.request
url = "http://127.0.0.1:6006/data/plugin/timeseries/tags"
for _ in range(120):
    try:
        found = json.load(urllib.request.urlopen(url, timeout=5))
    except OSError:
        found = {}
    tags = [tag for run in found.get("scalars", {}).get("runTagInfo", {}).values() for tag in run]
    if "Loss/total_loss" in tags:
        break
    time.sleep(0.5)
print(tags)
"""
#: Files and folders of an image that have no business there.
LOOK_FOR_LEFTOVERS = """
import os
names = {".git", ".cache", "conftest.py", "ca.crt", "pip.conf", ".netrc"}
found = []
for folder, folders, files in os.walk("/"):
    if folder == "/":
        folders[:] = [name for name in folders if name not in ("proc", "sys", "dev")]
    wrong = set() if "/site-packages/" in folder else set(names)
    if folder.endswith("/bin"):
        wrong |= {"gcc", "cc", "g++", "pip", "git"}
    if folder.startswith(("/opt/toolkit", "/opt/tfod")):
        wrong |= {"tests", "records"} if folder != "/opt/tfod" else {"tests"}
    found += [os.path.join(folder, name) for name in (*folders, *files) if name in wrong]
    if folder.startswith(("/var/cache/apt", "/var/lib/apt/lists", "/root", "/tmp", "/var/log/apt")):
        found += [os.path.join(folder, name) for name in files if name[0] != "." and name != "lock"]
print(*found, sep="\\n")
"""


@dataclass
class Place:
    """Folders of a user's, and the words that mount them."""

    docker: Docker
    folder: Path

    def options(self, *more: object, without: tuple[str, ...] = ()) -> list[str]:
        """Options of ``docker run``: the documented ones, and as little as may be allowed."""
        words = ["--read-only", "--tmpfs", "/tmp", "--network", "none", "--user", f"{USER}:{USER}"]
        words += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        for name in FOLDERS:
            if name not in without:
                words += ["-v", f"{self.folder / name}:/opt/tfod/{name}"]
        return [*words, *map(str, more)]

    def run(self, *words: str, options: list[str] | None = None) -> tuple[int, str]:
        """Exit code and last words of a container."""
        given = self.options() if options is None else options
        done = self.docker("run", "--rm", *given, "tfod:cpu", *words, check=False)
        return done.returncode, done.stderr

    def train(self, override: str, hparams: str) -> tuple[int, str]:
        """The seven words."""
        return self.run(*WORDS, f"/opt/tfod/configs/{override}", f"/opt/tfod/configs/{hparams}")

    def hparams(self, name: str, **values: object) -> str:
        path = self.folder / "configs" / name
        path.write_text(json.dumps(values))
        return name


@pytest.fixture
def place(docker: Docker, models: Path, sample_records: Path, tmp_path: Path) -> Place:
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    shutil.copytree(sample_records, tmp_path / "records", dirs_exist_ok=True)
    shutil.copytree(models, tmp_path / "models", dirs_exist_ok=True)
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, USER, USER)
    for folder in tmp_path.parents:  # pytest makes them for this user alone
        if folder.stat().st_uid == os.getuid() and len(folder.parts) > 2:
            folder.chmod(folder.stat().st_mode | 0o011)
    return Place(docker, tmp_path)


def test_the_seven_words_leave_a_model_and_a_report_owned_by_the_caller(place):
    (place.folder / "configs" / "steps.config").write_text(
        "train_config { num_steps: 60 }\neval_config { max_num_boxes_to_visualize: 7 }\n"
    )
    code, said = place.train("steps.config", place.hparams("hparams.json", batch_size=4))
    assert code == 0, said
    assert "step 60 of 60" in said
    run = place.folder / "experiments"
    config = (run / "pipeline.config").read_text()
    assert "max_num_boxes_to_visualize: 7" in config
    assert "batch_size: 4" in config
    for name in ("training/checkpoint", "exported_model/saved_model/saved_model.pb", "report.html"):
        assert (run / name).is_file()
    owners = {path.stat().st_uid for path in run.rglob("*")}
    assert owners == {USER}
    assert json.loads((run / "run.json").read_text())["status"] == "finished"


def lines(docker: Docker, name: str) -> Iterator[str]:
    """What a container says, as it says it."""
    command = [docker.environment["DOCKER"], "logs", "--follow", name]
    with subprocess.Popen(
        command, env=docker.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        try:
            yield from process.stdout
        finally:
            process.kill()


@contextmanager
def running(place: Place, hparams: str, until: str) -> Iterator[str]:
    """A job in a container that has said something; it is gone afterwards."""
    docker, name = place.docker, f"job-{place.folder.name}"
    words = [*WORDS, "", f"/opt/tfod/configs/{hparams}"]
    docker("run", "--detach", "--name", name, *place.options(), "tfod:cpu", *words)
    try:
        said = []
        for line in lines(docker, name):
            said.append(line)
            if until in line:
                break
        else:
            pytest.fail("".join(said))
        yield name
    finally:
        docker("rm", "--force", name)


def test_docker_stop_saves_and_the_same_command_goes_on(place):
    docker, hparams = place.docker, place.hparams("long.json", train_steps=100_000, batch_size=4)
    with running(place, hparams, "step 1 of") as name:
        assert "Loss/total_loss" in docker("exec", name, "python", "-c", ASK_TENSORBOARD).stdout
        docker("exec", name, "tfod", "container", "--healthy")
        docker("stop", "--time", "300", name)  # as long as a busy machine may take
        log = docker("logs", name).stderr
        code = docker("inspect", "--format", "{{.State.ExitCode}}", name).stdout
    assert (code, "is whole" in log) == ("75\n", True), log
    manifest = json.loads((place.folder / "experiments/run.json").read_text())
    assert manifest["status"] == "interrupted"
    assert list((place.folder / "experiments/training").glob("ckpt-*.index"))
    with running(place, hparams, "going on from step"):
        pass


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (WORDS[:4], 2, "the job takes 5 to 7 words, not 4"),
        ((*WORDS, "", "", ""), 2, "the job takes 5 to 7 words, not 8"),
        ((*WORDS[:3], "/opt/tfod/configs", MODEL), 66, "/opt/tfod/configs has no training.record"),
        ((*WORDS[:4], "SSD of mine"), 2, "SSD of mine"),
        ((*WORDS, "/opt/tfod/configs/none"), 66, "there is no override /opt/tfod/configs/none"),
        ((*WORDS[:3], "s3://b/r", MODEL), 77, "there are no AWS credentials"),
    ],
)
def test_bad_words_are_refused_at_once(place, words, code, said):
    got = place.run(*words)
    assert got[0] == code, got
    assert said in got[1]
    assert "hint: " in got[1]


def test_surroundings_are_looked_at_first(place):
    def refused(*more: str, without: tuple[str, ...] = ()) -> tuple[int, str]:
        return place.run(*WORDS, options=place.options(*more, without=without))

    folder = place.folder
    code, said = refused("-e", "TFOD_ACCELERATOR=cuda")
    assert (code, "docker run --gpus all" in said) == (78, True), said
    code, said = refused("--shm-size", "1m")
    assert (code, "--shm-size=2g" in said) == (78, True), said
    code, said = refused(without=("experiments",))
    assert (code, "its file system is read-only" in said) == (73, True), said
    mount = f"{folder}/experiments:/opt/tfod/experiments:ro"
    code, said = refused("-v", mount, without=("experiments",))
    assert (code, "its file system is read-only" in said) == (73, True), said
    os.chown(folder / "experiments", 0, 0)
    code, said = refused()
    assert (code, f"belongs to user 0, and this is user {USER}" in said) == (73, True), said


@pytest.mark.parametrize(
    ("mine", "mode", "code", "said"),
    [
        # Nothing is in it, so the model would have to be fetched to there.
        ("models", 0o755, 73, "cannot write /opt/tfod/models: Permission denied"),
        ("models", 0o700, 77, "/opt/tfod/models may not be read"),
        ("records", 0o700, 77, "/opt/tfod/records may not be read"),
        ("records/training.record", 0o600, 77, "/opt/tfod/records/training.record may not be read"),
        ("configs", 0o700, 77, "/opt/tfod/configs/steps.config may not be read"),
        ("configs/steps.config", 0o600, 77, "/opt/tfod/configs/steps.config may not be read"),
    ],
)
def test_mounts_of_somebody_else_are_named(place, mine, mode, code, said):
    (place.folder / "configs" / "steps.config").write_text("")
    if mine == "models":
        shutil.rmtree(place.folder / "models")
        (place.folder / "models").mkdir()
    os.chown(place.folder / mine, 0, 0)
    (place.folder / mine).chmod(mode)
    got, errors = place.run(*WORDS, "/opt/tfod/configs/steps.config")
    first, second = errors.splitlines()
    whose = f"(/opt/tfod/{mine} belongs to user 0, and this is user {USER})"
    assert (got, first) == (code, f"error: {said} {whose}")
    assert second.startswith("hint: make the folder before docker does, and run as its owner:")


def test_what_of_somebody_else_need_only_be_read_is_enough(place):
    """Models that are there, and records, from a share that this user may read."""
    for name in ("models", "records"):
        for path in (place.folder / name, *(place.folder / name).rglob("*")):
            os.chown(path, 0, 0)
            path.chmod(0o755 if path.is_dir() else 0o644)
    got, errors = place.run(*WORDS, "/opt/tfod/configs/no.config")
    assert (got, errors.splitlines()[0]) == (
        66,
        "error: there is no override /opt/tfod/configs/no.config",
    )


def test_a_writable_container_does_not_keep_what_is_not_mounted(place):
    options = [each for each in place.options(without=("experiments",)) if each != "--read-only"]
    options = options[: options.index("--user")] + options[options.index("--user") + 2 :]
    code, said = place.run(*WORDS, options=options)
    assert (code, "is not mounted" in said) == (73, True), said


def test_other_verbs_and_users(docker):
    assert "SSD MobileNet" in docker("run", "--rm", "tfod:cpu", "zoo", "list").stdout
    assert docker("run", "--rm", "--entrypoint", "id", "tfod:cpu", "-u").stdout == "1000\n"
    assert (
        docker("run", "--rm", "--entrypoint", "id", "tfod-backup:latest", "-u").stdout == "1000\n"
    )


def test_the_sidecar_is_the_same_source_without_tensorflow(docker):
    image = "tfod-backup:latest"
    assert "backup" in docker("run", "--rm", image, "--help").stdout
    code = "import importlib.util as u; print(u.find_spec('tensorflow'), u.find_spec('boto3').name)"
    found = docker("run", "--rm", "--entrypoint", "python", image, "-c", code)
    assert found.stdout == "None boto3\n"


@pytest.mark.parametrize("image", ["tfod:cpu", "tfod-backup:latest"])
def test_nothing_is_in_an_image_that_should_not_be(docker, image):
    command = ["--entrypoint", "python3", "--user", "0", image, "-c", LOOK_FOR_LEFTOVERS]
    assert docker("run", "--rm", "--network", "none", *command).stdout.strip() == ""
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).stdout
    assert "BEGIN CERTIFICATE" not in history
    config = json.loads(docker("image", "inspect", image).stdout)[0]["Config"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["User"] == "1000:1000"
    assert config["Healthcheck"]["Test"]
    assert config["Labels"]["org.opencontainers.image.version"] == "0.1.0"


def test_the_list_of_what_is_inside(docker, tmp_path):
    command = [sys.executable, PROJECT / "docker/sbom.py", "sidecar", "--out", tmp_path]
    subprocess.run(command, env=docker.environment, check=True)
    listed = json.loads((tmp_path / "sbom-sidecar.json").read_text())
    assert listed["bomFormat"] == "CycloneDX"
    versions = {part["name"]: part["version"] for part in listed["components"]}
    assert f"boto3=={versions['boto3']}" in (PROJECT / "constraints.txt").read_text()
    assert {"tini", "python3", "tfod-toolkit"} <= set(versions)


def test_the_images_have_not_grown(docker):
    images = program("images")
    known = json.loads(images.SIZES.read_text())
    for name in ("cpu", "sidecar"):
        found = docker("image", "inspect", "--format", "{{.Size}}", images.TAGS[name]).stdout
        assert int(found) / 1e6 <= min(known[name] * images.GROWTH, images.MOST[name])


def test_a_change_of_the_source_builds_one_small_layer_anew(docker):
    def layers() -> list[str]:
        form = "{{json .RootFS.Layers}}"
        found = docker("image", "inspect", "--format", form, "tfod:cpu").stdout
        return list(json.loads(found))

    before = layers()
    path = docker.context / "tfod_toolkit" / "errors.py"
    path.write_text(path.read_text() + "\n# a change\n")
    docker.build("cpu")
    after = layers()
    assert len(set(before) - set(after)) <= 2  # the toolkit, and the working directory above it
    assert before[:-2] == after[:-2]
