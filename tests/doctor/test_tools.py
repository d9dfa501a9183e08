import pytest

from tfod_toolkit.doctor import tools


def test_docker_with_its_daemon(program):
    program("docker", """echo '{"Client": {"Version": "28.2"}, "Server": {"Version": "27.1"}}'""")
    found = tools.docker()
    assert (found.state, found.text) == ("ok", "client 28.2, daemon 27.1")


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "systemctl start"),
        ("permission denied while trying to connect to the Docker daemon socket", "usermod -aG"),
    ],
)
def test_docker_without_its_daemon(program, reason, remedy):
    client = '{"Client": {"Version": "28.2"}, "Server": null}'
    program("docker", f"echo '{client}'; echo '{reason}' >&2; exit 1")
    found = tools.docker()
    assert found.state == "warn"
    assert found.text == f"client 28.2; the daemon does not answer: {reason}"
    assert remedy in found.remedy


def test_a_docker_that_hangs(program, monkeypatch):
    monkeypatch.setattr(tools, "SECONDS", 0.3)
    program("docker", "tail -f /dev/null")
    found = tools.docker()
    assert found.state == "warn"
    assert "no answer in 0.3 s" in found.text


def test_terraform_says_its_version(program):
    program("terraform", """echo '{"terraform_version": "1.11.4"}'""")
    assert (tools.terraform().state, tools.terraform().text) == ("ok", "1.11.4")


def test_a_terraform_that_fails(program):
    program("terraform", "echo 'bad configuration' >&2; exit 1")
    found = tools.terraform()
    assert found.state == "warn"
    assert "bad configuration" in found.text
    assert "terraform version" in found.remedy


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize("look", [tools.docker, tools.terraform])
def test_what_is_not_installed_is_missing_but_not_needed(look):
    found = look()
    assert found.state == "missing"
    assert found.remedy.startswith("install ")
    assert not found.needed


def test_gpus_as_the_driver_lists_them(program):
    program("nvidia-smi", "echo 'NVIDIA H200, 143771, 570.1'; echo 'Tesla T4, 15360, 570.1'")
    assert [str(gpu) for gpu in tools.gpus()] == [
        "NVIDIA H200, 140 GB, driver 570.1",
        "Tesla T4, 15 GB, driver 570.1",
    ]


def test_a_driver_that_fails_shows_no_gpus(program):
    program("nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9")
    assert tools.gpus() == []


@pytest.mark.usefixtures("no_programs")
def test_no_driver_shows_no_gpus():
    assert tools.gpus() == []
