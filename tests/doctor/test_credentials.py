import os

import pytest

from tfod_toolkit.doctor.credentials import credentials


@pytest.fixture(autouse=True)
def empty_account(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def test_none():
    found = credentials()
    assert (found.state, found.text, found.needed) == ("missing", "none found", False)
    assert "aws configure" in found.remedy


def test_from_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    found = credentials()
    assert found.state == "ok"
    assert found.text == "from env, profile default, region eu-west-1 (not tried)"
    assert "not-a-secret" not in repr(found)


def test_from_a_profile_without_a_region(tmp_path, monkeypatch):
    (tmp_path / "credentials").write_text(
        "[work]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = not-a-secret\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "work")
    found = credentials()
    assert found.state == "warn"
    assert found.text == "from shared-credentials-file, profile work, but no region"
    assert "AWS_DEFAULT_REGION" in found.remedy


def test_a_profile_that_is_not_there(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "absent")
    found = credentials()
    assert found.state == "warn"
    assert found.text == "The config profile (absent) could not be found"


def test_a_config_that_cannot_be_read(tmp_path):
    (tmp_path / "config").write_text("region = eu-west-1, without a section\n")
    found = credentials()
    assert found.state == "warn"
    assert str(tmp_path / "config") in found.text


def test_a_profile_whose_program_hangs(tmp_path, monkeypatch):
    monkeypatch.setattr("tfod_toolkit.doctor.credentials.SECONDS", 3.0)
    (tmp_path / "config").write_text("[default]\ncredential_process = tail -f /dev/null\n")
    found = credentials()
    assert found.state == "warn"
    assert "no answer in 3 s" in found.text
