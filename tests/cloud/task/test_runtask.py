"""A run's start and its watch: once for a call, shown to its end, through what goes wrong."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.cloud.task.conftest import end
from tests.cloud.task.test_commands import DONE, RECORDS, RUNNING, begin, run
from tfod_toolkit.cloud.task import (
    Cloud,
    Request,
    Uploads,
    Watch,
    read_outputs,
    start,
    start_once,
)
from tfod_toolkit.cloud.task.start import overrides
from tfod_toolkit.errors import ConfigError, DeniedError, UnavailableError, UsageError

MODEL = "SSD MobileNet v2 320x320"


@pytest.fixture
def records(tmp_path):
    folder = tmp_path / "records"
    folder.mkdir()
    for name in ("training.record", "testing.record", "classes.pbtxt"):
        (folder / name).write_bytes(name.encode() * 100)
    return folder


def started(cloud, name):
    """What the execution of a run was started with."""
    arn = cloud.find(name).execution
    return json.loads(boto3.client("stepfunctions").describe_execution(executionArn=arn)["input"])


def test_the_originals_five_positions(capsys, stack, cloud, records, tmp_path):
    hparams = tmp_path / "hparams.json"
    hparams.write_text('{"train_steps": 10}')
    words = [stack, records, MODEL, "", hparams]
    code, out, err = run(capsys, "runtask", *words, "--name", "first", "--no-check", "--detach",
                         "--max-hours", 2, "--retries", 3, "--spot", "--set", "a.b=1",
                         "--json")  # fmt: skip
    assert (code, json.loads(out)) == (0, {"run": "first"}), err
    assert "g6.xlarge" in err
    told = started(cloud, "first")
    assert (told["capacity"], told["attempts"], told["wait_seconds"]) == ("spot", 4, 900)
    left = datetime.fromisoformat(told["deadline"].replace("Z", "+00:00")) - datetime.now(
        timezone.utc
    )
    assert timedelta(hours=1.9) < left <= timedelta(hours=2)
    trainer, *others = told["overrides"]["ContainerOverrides"]
    where = trainer["Command"][3]
    assert where.startswith("s3://data/tfod/inputs/")
    assert trainer["Command"][4:6] == [MODEL, ""]
    assert trainer["Command"][6].endswith("/hparams.json")
    assert {"Name": "TFOD_SET", "Value": "a.b=1"} in trainer["Environment"]
    for container in (trainer, *others):
        assert {"Name": "M1L0_JOBID", "Value": "first"} in container["Environment"]
    keys = {each["Key"].rpartition("/")[2]
            for each in boto3.client("s3").list_objects_v2(
                Bucket="data", Prefix=where.removeprefix("s3://data/"))["Contents"]}  # fmt: skip
    assert keys == {"training.record", "testing.record", "classes.pbtxt"}


def test_only_what_changed_is_uploaded(cloud, records):
    said = []
    uploads: Uploads = cloud.uploads(said.append)
    files = sorted(records.iterdir())
    first = uploads.folder(files)
    assert len(said) == 4  # the summary, and a line a file
    said.clear()
    assert uploads.folder(files) == first
    assert said == [f"3 files are in S3 already: {first}/"]
    said.clear()
    (records / "testing.record").write_bytes(b"others")
    second = uploads.folder(files)
    assert second != first  # who goes on with the first run finds its records as they were
    assert said[1:] == ["  testing.record  0.0 MB"]


def test_a_lost_upload_is_noticed(cloud, records):
    files = sorted(records.iterdir())
    uploads = cloud.uploads(lambda _: None)
    url = uploads.folder(files)
    key = f"{url.removeprefix('s3://data/')}/testing.record"
    s3 = boto3.client("s3")
    s3.delete_object(Bucket="data", Key=key)
    uploads.folder(files)
    assert s3.get_object(Bucket="data", Key=key)["Body"].read() == files[1].read_bytes()


def test_records_in_s3_that_lack_a_part(capsys, stack):
    boto3.client("s3").put_object(Bucket="data", Key="r/training.record-00000-of-00002", Body=b"")
    code, _, err = run(capsys, "runtask", stack, "s3://data/r", MODEL, "--no-check")
    assert (code, "has no testing.record, no classes.pbtxt" in err) == (66, True)
    code, _, err = run(capsys, "runtask", stack, "s3://nobody/r", MODEL, "--no-check")
    assert (code, "there is no bucket nobody" in err) == (66, True)


def test_a_name_in_use_and_one_to_go_on_with(cloud, fleet):
    begin(cloud, "first")
    with pytest.raises(UsageError, match="is under way"):
        begin(cloud, "first")
    end("first", "FAILED", "tfod.Deadline")
    with pytest.raises(UsageError, match="there was a run first already") as caught:
        begin(cloud, "first")
    assert "--resume" in (caught.value.hint or "")
    start(cloud, Request("first", RECORDS, "a model"), resume=True)
    end("first.2", "FAILED", "tfod.Deadline")
    start(cloud, Request("first", RECORDS, "a model"), resume=True)
    assert cloud.find("first").execution.endswith(":first.3")
    assert len(cloud.runs()) == 1


def test_a_start_whose_answer_is_lost_is_one_start(cloud, monkeypatch):
    """The connection breaks after AWS has begun the run."""
    client = cloud.client("stepfunctions")
    ask, asked = client.start_execution, []

    def broken(**words):
        from botocore.exceptions import ConnectionClosedError

        answer = ask(**words)
        asked.append(words["name"])
        if len(asked) < 3:
            raise ConnectionClosedError(endpoint_url="there")
        return answer

    monkeypatch.setattr(client, "start_execution", broken)
    begin(cloud, "first")
    assert asked == ["first"] * 3
    machine = cloud.outputs.state_machine
    found = boto3.client("stepfunctions").list_executions(stateMachineArn=machine)
    assert len(found["executions"]) == 1


def test_once_starts_a_task_directly(cloud, fleet):
    start_once(cloud, Request("first", RECORDS, "a model", capacity="on-demand"), "token")
    (told,) = fleet.requests
    assert (told["group"], told["clientToken"]) == ("tfod:first", "token")
    assert told["capacityProviderStrategy"][0]["capacityProvider"] == "tfod-on-demand"
    assert told["overrides"]["containerOverrides"][0]["command"][3] == RECORDS
    assert cloud.find("first").status == "RUNNING"


def test_once_without_a_gpu_says_so(cloud, fleet):
    fleet.failures = [{"arn": "arn:host", "reason": "RESOURCE:GPU"}]
    with pytest.raises(UnavailableError, match="no GPU is left") as caught:
        start_once(cloud, Request("first", RECORDS, "a model"), "token")
    assert "tfod tasks" in (caught.value.hint or "")


def test_too_many_words_for_ecs():
    with pytest.raises(UsageError, match="ECS takes 8192"):
        overrides(Request("first", RECORDS, "a model", assignments=("a=" + "x" * 9000,)))


class Screen:
    """What a person would see."""

    def __init__(self):
        self.said, self.lines = [], []

    def say(self, text):
        self.said.append(text)

    def line(self, container, line):
        self.lines.append((container, line.text))


def watch(stack, steps, **words):
    """Watch ``first``; before each look but the first, the next of some steps is taken."""
    screen, steps = Screen(), iter(steps)
    return screen, Watch(read_outputs(stack), "first", screen, lambda _: next(steps)(), **words)


def log(identity, *texts, container="tfod"):
    client, stream = boto3.client("logs"), f"task/{container}/{identity}"
    client.create_log_stream(logGroupName="/tfod/tasks", logStreamName=stream)
    now = int(datetime.now(timezone.utc).timestamp() * 1000)
    events = [{"timestamp": now + n, "message": text} for n, text in enumerate(texts)]
    client.put_log_events(logGroupName="/tfod/tasks", logStreamName=stream, logEvents=events)


def test_a_run_is_followed_through_its_attempts(stack, cloud, fleet):
    begin(cloud, "first")

    def waits():
        fleet.add("first", 1, status="PROVISIONING")

    def trains():
        arn = next(iter(fleet.tasks))
        fleet.change(arn, lastStatus="RUNNING", containerInstanceArn="arn:host", containers=[
            {"name": name, "lastStatus": how} for name, how, _ in RUNNING])  # fmt: skip
        log("first1", "step 1", "step 2")

    def is_interrupted():
        arn = next(iter(fleet.tasks))
        fleet.change(arn, lastStatus="STOPPED", desiredStatus="STOPPED",
                     stoppedReason="tfod: spot",
                     containers=[{"name": "tfod", "exitCode": 75}])  # fmt: skip
        fleet.add("first", 2, minutes=5, containers=RUNNING, containerInstanceArn="arn:host2")
        log("first2", "step 3")

    def ends():
        arn = list(fleet.tasks)[1]
        fleet.change(arn, lastStatus="STOPPED", desiredStatus="STOPPED",
                     stoppedReason="Essential container in task exited",
                     containers=[{"name": n, "exitCode": c} for n, _, c in DONE])  # fmt: skip
        end("first", "SUCCEEDED")

    screen, watched = watch(stack, [waits, trains, is_interrupted, ends])
    assert watched.until_end().exit_code == 0
    assert screen.lines == [("tfod", "step 1"), ("tfod", "step 2"), ("tfod", "step 3")]
    stages = [text for text in screen.said if text.startswith("attempt")]
    assert stages == [
        "attempt 1: waiting for an instance",
        "attempt 1: training",
        "attempt 1: stopped",
        "attempt 1 ended: AWS took the spot instance back (tfod: spot); "
        "the trainer saved its checkpoint",
        "attempt 2: training",
        "attempt 2: stopped",
        "attempt 2 ended: the trainer ended well",
    ]
    assert any(text.startswith("waiting for an instance: ") for text in screen.said)


def test_the_trainers_exit_code_is_that_of_the_run(stack, cloud, fleet):
    begin(cloud, "first")
    cause = {"TaskArn": "arn:aws:ecs:eu-west-1:1:task/tfod/x", "ContainerInstanceArn": "arn:host",
             "StoppedReason": "Essential container in task exited",
             "Containers": [{"Name": "tfod", "ExitCode": 65}]}  # fmt: skip
    end("first", "FAILED", "tfod.Failed", json.dumps(cause))
    _, watched = watch(stack, [])  # the task itself is forgotten by ECS
    reason = watched.until_end()
    assert (reason.exit_code, "bad data" in reason.what) == (65, True)


def test_expired_credentials_and_a_cut_line_are_survived(stack, cloud, fleet):
    begin(cloud, "first")
    troubles = [DeniedError("the AWS credentials have expired", "log in again"),
                DeniedError("the AWS credentials have expired", "log in again"),
                UnavailableError("AWS does not answer", "check the network")]  # fmt: skip

    class Troubled(Cloud):
        def find(self, beginning):
            if troubles:
                raise troubles.pop(0)
            return super().find(beginning)

    def ends():
        end("first", "SUCCEEDED")

    screen, watched = watch(stack, [lambda: None, lambda: None, ends], make=Troubled)
    assert watched.until_end().exit_code == 0
    assert screen.said == [
        "the AWS credentials have expired; log in again. The run goes on; trying again",
        "AWS does not answer; check the network. The run goes on; trying again",
        "AWS answers again",
    ]


def test_what_never_comes_back_is_given_up(stack, cloud):
    class Gone(Cloud):
        def find(self, beginning):
            raise UnavailableError("AWS does not answer", "check the network")

    _, watched = watch(stack, [lambda: None] * 9, make=Gone, patience=9)
    with pytest.raises(UnavailableError, match="does not answer"):
        watched.until_end()


def test_a_stack_destroyed_meanwhile_is_named(stack, cloud, fleet):
    begin(cloud, "first")

    def destroyed():
        states = boto3.client("stepfunctions")
        states.delete_state_machine(stateMachineArn=cloud.outputs.state_machine)

    _, watched = watch(stack, [lambda: None, destroyed, lambda: None])
    with pytest.raises(ConfigError, match=r"the stack tfod is not there \(any more\)"):
        watched.until_end()


def test_a_wrong_clock_is_told_from_wrong_credentials(cloud):
    message = (
        "Signature expired: 20261121T104625Z is now earlier than 20261121T113904Z "
        "(20261121T114404Z - 5 min.)"
    )
    refusal = {"Error": {"Code": "InvalidSignatureException", "Message": message}}
    with pytest.raises(ConfigError) as caught, cloud.asking("the stack's runs"):
        raise ClientError(refusal, "ListExecutions")
    said = "the stack's runs: this machine's clock is wrong; AWS says 20261121T114404Z"
    assert caught.value.message == said
    assert caught.value.hint.startswith("set the clock")
