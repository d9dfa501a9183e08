"""Which stack a file of variables means, and files that mean none."""

from __future__ import annotations

import pytest

from tests.terraform.terraform import HCL
from tfod_toolkit.cloud.stack import settings
from tfod_toolkit.errors import ConfigError


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch):
    for name in ("TF_VAR_project", "TF_VAR_region", "TF_VAR_profile", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)


def given(folder, content, name="my.tfvars"):
    file = folder / name
    file.write_text(content)
    return settings(HCL, file)


def test_as_terraform_writes_it_and_as_json(tmp_path):
    told = given(tmp_path, '  project="two" # mine\nregion = "eu-west-3" // near\n')
    assert (told.project, told.region, told.profile) == ("two", "eu-west-3", None)
    told = given(tmp_path, '{"project": "two", "gpus": 4}', "my.tfvars.json")
    assert (told.project, told.region) == ("two", None)


def test_the_environment_fills_in(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_VAR_project", "three")
    assert given(tmp_path, "gpus = 1\n").project == "three"
    assert given(tmp_path, "{}", "my.tfvars.json").project == "three"
    assert given(tmp_path, 'project = "two"\n').project == "two"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "holds no variables"),
        ("3", "holds no variables"),
        ("{", "is not JSON"),
        ('{"project": 5}', "project is 5, not a string"),
        ('{"region": ["eu-west-1"]}', "region is ['eu-west-1'], not a string"),
        ('{"project": "Two"}', "the project cannot be called 'Two'"),
    ],
)
def test_json_that_means_no_stack(tmp_path, content, said):
    with pytest.raises(ConfigError) as caught:
        given(tmp_path, content, "my.tfvars.json")
    assert caught.value.message.startswith(f"{tmp_path}/my.tfvars.json")
    assert said in caught.value.message
    assert caught.value.hint
