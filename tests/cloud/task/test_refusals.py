"""What goes wrong with runs, as its victim reads it: each verb typed, AWS behind a proxy."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import boto3
import pytest

from tests.cloud.task.conftest import end
from tests.cloud.task.test_commands import DONE, RUNNING, begin, run
from tests.cloud.task.test_runtask import MODEL, log
from tests.cloud.task.test_runtask import records as records  # noqa: PLC0414 -- a fixture
from tests.sidecar.servers import proxied


@pytest.fixture
def proxy(stack, monkeypatch):
    """In front of the account; what is asked from now on goes through it."""
    with proxied(os.environ["AWS_ENDPOINT_URL"]) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        # An account's retries are told to its clients, so their pauses are cut short here.
        monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
        yield made


@pytest.fixture
def scene(request):
    """All of it that a test turns."""
    names = ("stack", "cloud", "fleet", "proxy", "monkeypatch")
    return SimpleNamespace(**{name: request.getfixturevalue(name) for name in names})


def s3_says(code, status=403, more="", **headers):
    """An answer of S3's."""
    body = f"<Error><Code>{code}</Code><Message>no</Message>{more}</Error>"
    return (
        status,
        [(name.replace("_", "-"), value) for name, value in headers.items()],
        body.encode(),
    )


def aws_says(code, message, status=400):
    """An answer of another service's."""
    kind = [("Content-Type", "application/x-amz-json-1.1")]
    return status, kind, json.dumps({"__type": code, "message": message}).encode()


def of(bucket, answer):
    return lambda method, path: answer if path.startswith(f"/{bucket}") else None


def refusal(capsys, *words):
    """The exit code, and the error and its hint."""
    code, out, err = run(capsys, *words)
    assert "Traceback" not in err
    assert out == ""
    *_, error, hint = err.splitlines()
    return code, error.removeprefix("error: "), hint.removeprefix("hint: ")


def runtask(stack, records, name="first"):
    return "runtask", stack, records, MODEL, "--no-check", "--detach", "--name", name


ELSEWHERE = [
    s3_says("PermanentRedirect", 301, x_amz_bucket_region="eu-west-3"),
    s3_says("AuthorizationHeaderMalformed", 400, "<Region>eu-west-3</Region>",
            x_amz_bucket_region="eu-west-3"),
]  # fmt: skip
COPY = "a stack reads and writes in its own region: copy what the bucket holds to one there"


@pytest.mark.parametrize("answer", ELSEWHERE, ids=["redirect", "malformed"])
def test_a_bucket_in_another_region(capsys, stack, proxy, records, answer):
    told = "is in eu-west-3, and the stack tfod is in eu-west-1"
    proxy.fault = of("data", answer)
    code, error, hint = refusal(capsys, *runtask(stack, records))
    assert (code, error.endswith(f"the bucket data {told}"), hint.startswith(COPY)) == (
        78, True, True)  # fmt: skip
    code, error, _ = refusal(capsys, *runtask(stack, "s3://data/records"))
    assert (code, error) == (78, f"s3://data/records: the bucket data {told}")
    proxy.fault = of("artifacts", answer)
    code, error, hint = refusal(capsys, *runtask(stack, records))
    assert (code, error) == (78, f"s3://artifacts/tfod: the bucket artifacts {told}")
    assert not [call for call in proxy.written() if call.startswith("/data")]  # nothing was sent
    code, error, hint = refusal(capsys, "fetch", "first", "home", "--stack", stack)
    assert (code, error) == (78, f"s3://artifacts/tfod: the bucket artifacts {told}")
    assert hint.startswith(COPY)


def test_a_bucket_without_permission(capsys, stack, proxy, records, tmp_path):
    denied = s3_says("AccessDenied")
    ask = "ask for s3:ListBucket on it, or use other credentials"
    proxy.fault = of("data", denied)
    code, error, hint = refusal(capsys, *runtask(stack, records))
    assert (code, hint) == (77, ask)
    assert error.startswith("s3://data/tfod/inputs/")
    assert error.endswith(": ListObjectsV2 is not allowed (AccessDenied)")
    proxy.fault = of("artifacts", denied)
    for words in (runtask(stack, records), ("fetch", "first", tmp_path / "h", "--stack", stack)):
        assert refusal(capsys, *words) == (
            77, "s3://artifacts/tfod: ListObjectsV2 is not allowed (AccessDenied)", ask,
        )  # fmt: skip
    proxy.fault = lambda method, path: denied if method == "PUT" else None
    code, error, hint = refusal(capsys, *runtask(stack, records))
    assert code == 77
    assert error.endswith("PutObject is not allowed (AccessDenied)")
    assert hint.startswith("ask for s3:PutObject on it")


def test_a_file_that_may_not_be_read(capsys, stack, proxy, tmp_path):
    for name in ("a", "b"):
        key = f"tfod/first/exported_model/{name}"
        boto3.client("s3").put_object(Bucket="artifacts", Key=key, Body=b"1")
    proxy.fault = of("artifacts/tfod/first/exported_model/b", s3_says("AccessDenied"))
    code, _, err = run(capsys, "fetch", "first", tmp_path / "home", "--stack", stack)
    assert code == 77
    assert "exported_model/b: HeadObject is not allowed (403)" in err
    assert "ask for s3:GetObject on it" in err
    assert not (tmp_path / "home/exported_model/b").exists()


def test_a_name_in_use_is_said_before_anything_is_sent(capsys, stack, cloud, proxy, records):
    begin(cloud, "first")
    code, error, hint = refusal(capsys, *runtask(stack, records))
    assert (code, error) == (2, "the run first is under way")
    assert "tfod logs first" in hint
    assert not [path for path in proxy.written() if path.startswith("/data")]


def test_places_in_s3_that_are_none(capsys, stack):
    for where in ("s3://", "s3:///records"):
        assert refusal(capsys, *runtask(stack, where)) == (
            2, f"{where} is not a place in S3", "write s3://BUCKET/PREFIX",
        )  # fmt: skip
    words = ("runtask", stack, "s3://data/r", MODEL, "", "s3://data/none.json", "--no-check")
    assert refusal(capsys, *words)[:2] == (66, "there is no object s3://data/none.json")


def test_an_override_in_s3_is_read_by_the_stacks_profile(capsys, stack, tmp_path, monkeypatch):
    """The others of this machine's credentials are another account's."""
    (tmp_path / "credentials").write_text(
        "[team]\naws_access_key_id = theirs\naws_secret_access_key = s\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    values = json.loads(stack.read_text()) | {"profile": {"value": "team"}}
    stack.write_text(json.dumps(values))
    words = ("runtask", stack, "s3://data/r", MODEL, "s3://data/none.config", "--no-check")
    assert refusal(capsys, *words)[:2] == (66, "there is no object s3://data/none.config")


VERBS = ("logs", "stop", "cost", "fetch", "tunnel")


@pytest.mark.parametrize("verb", VERBS)
def test_names_that_mean_no_run_or_two(capsys, stack, cloud, verb):
    assert refusal(capsys, verb, "ghost", "--stack", stack) == (
        66, "there is no run ghost", "tfod runtask starts one",
    )  # fmt: skip
    begin(cloud, "cats-1")
    # As of a shell's variable that is not set: it is the beginning of the one run there is.
    assert refusal(capsys, verb, "", "--stack", stack) == (
        2, "no run is named: the name is empty", "tfod tasks lists the runs",
    )  # fmt: skip
    begin(cloud, "cats-2")
    code, error, hint = refusal(capsys, verb, "cats", "--stack", stack)
    assert (code, error) == (2, "cats is the beginning of 2 runs")
    assert hint.startswith("write more of it: cats-")
    assert refusal(capsys, verb, "Cats-1", "--stack", stack)[:2] == (66, "there is no run Cats-1")


def test_a_run_that_has_nothing_in_s3(capsys, stack, cloud):
    begin(cloud, "first")
    assert refusal(capsys, "fetch", "fir", "--stack", stack) == (
        66, "the run first has nothing in s3://artifacts/tfod yet",
        "tfod tasks says how far it is, tfod logs first what it did",
    )  # fmt: skip
    end("first", "FAILED", "tfod.NoHost")
    assert refusal(capsys, "fetch", "fir", "--stack", stack)[1] == (
        "the run first has nothing in s3://artifacts/tfod and it has ended (failed)"
    )


def test_logs_that_have_expired(capsys, stack, cloud, fleet):
    begin(cloud, "first")
    fleet.add("first", 1, status="STOPPED", containers=DONE, containerInstanceArn="arn:host")
    end("first", "SUCCEEDED")
    code, error, hint = refusal(capsys, "logs", "first", "--stack", stack)
    assert (code, error) == (
        66, "there is no log of first: attempt 1: CloudWatch has nothing of it (any more)",
    )  # fmt: skip
    assert "tfod fetch first --all" in hint
    # Of a younger attempt there is still one.
    fleet.add("first", 2, status="STOPPED", containers=DONE, containerInstanceArn="arn:host",
              minutes=5)  # fmt: skip
    log("first2", "step 1")
    code, out, err = run(capsys, "logs", "first", "--stack", stack)
    assert (code, out) == (0, "tfod        | step 1\n")
    assert err == "-- attempt 1: CloudWatch has nothing of it (any more)\n"
    _, out, err = run(capsys, "logs", "first", "--container", "backup", "--stack", stack)
    assert (out, "attempt 2: CloudWatch has nothing of backup" in err) == ("", True)


def test_a_run_that_never_had_an_instance(capsys, stack, cloud, fleet):
    begin(cloud, "first")
    arn = fleet.add("first", 1, status="PROVISIONING")
    code, out, err = run(capsys, "logs", "first", "--stack", stack)
    assert (code, out, err) == (0, "", "-- attempt 1: it waits for an instance\n")
    fleet.change(arn, lastStatus="STOPPED", desiredStatus="STOPPED", stoppedReason="tfod: no host",
                 stopCode="UserInitiated")  # fmt: skip
    end("first", "FAILED", "tfod.NoHost")
    code, error, _ = refusal(capsys, "logs", "first", "--stack", stack)
    assert (code, error) == (66, "there is no log of first: attempt 1: it had no instance")
    _, out, _ = run(capsys, "tasks", "--stack", stack)
    assert "tfod: no host" in out
    _, out, _ = run(capsys, "cost", "first", "--stack", stack)
    assert out.splitlines()[-1].split() == ["total", "0.00", "0.00"]


def test_a_run_of_which_ecs_has_forgotten_all(capsys, stack, cloud):
    begin(cloud, "first")
    code, out, err = run(capsys, "logs", "first", "--stack", stack)
    assert (code, err) == (0, "-- no attempt has begun yet; --follow waits for its log\n")
    end("first", "SUCCEEDED")
    code, error, _ = refusal(capsys, "logs", "first", "--stack", stack)
    assert (code, error) == (
        66, "there is no log of first: AWS knows no attempt of it any more (succeeded)",
    )  # fmt: skip
    _, out, _ = run(capsys, "cost", "first", "--stack", stack)
    assert out == "AWS knows no attempt of first (any more), and so not what it cost\n"
    _, out, _ = run(capsys, "cost", "first", "--stack", stack, "--json")
    assert json.loads(out)["usd"] is None


TROUBLES = {
    "throttled": (
        aws_says("ThrottlingException", "Rate exceeded"), 69,
        "AWS is asked too often (ThrottlingException: Rate exceeded)",
        "wait a minute, and try again; what others ask in the account counts, too"),
    "failing": (
        aws_says("InternalFailure", "", 500), 69, "AWS itself fails (InternalFailure)",
        "try again in some minutes; https://health.aws.amazon.com says what is known"),
    "expired": (
        aws_says("ExpiredTokenException", "The security token is expired"), 77,
        "the AWS credentials have expired",
        "log in, for instance: aws sso login, or aws configure; AWS_PROFILE names a profile"),
    "denied": (
        aws_says("AccessDeniedException", "User: arn:aws:iam::1:user/ann is not authorized to "
                 "perform: states:ListExecutions on resource: x"), 77,
        "ListExecutions is not allowed",
        "ask for states:ListExecutions on the stack's state machine; the stack's output "
        "runner_policy allows all that runs take"),
    "clock": (
        aws_says("InvalidSignatureException", "Signature expired: 20261121T104625Z is now earlier "
                 "than 20261121T113904Z (20261121T114404Z - 5 min.)", 403), 78,
        "this machine's clock is wrong; AWS says 20261121T114404Z",
        "set the clock: AWS takes no request that is more than 5 minutes off"),
}  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_aws_says_instead(capsys, stack, cloud, proxy, trouble):
    answer, code, said, hint = TROUBLES[trouble]
    begin(cloud, "first")
    proxy.fault = lambda method, path: answer
    for words in (["tasks"], ["logs", "first"], ["stop", "first"], ["cost", "first"]):
        assert refusal(capsys, *words, "--stack", stack) == (
            code, f"the stack's state machine: {said}", hint,
        )  # fmt: skip


def test_what_s3_says_instead(capsys, stack, proxy, records, tmp_path):
    told = [
        (s3_says("SlowDown", 503), 69, "AWS is asked too often (SlowDown: no)"),
        (s3_says("InternalError", 500), 69, "AWS itself fails (InternalError: no)"),
        (s3_says("ExpiredToken", 400), 77, "the AWS credentials have expired"),
    ]
    for answer, code, said in told:
        proxy.fault = of("artifacts", answer)
        for words in (("fetch", "first", tmp_path / "h", "--stack", stack),
                      runtask(stack, records)):  # fmt: skip
            assert refusal(capsys, *words)[:2] == (code, f"s3://artifacts/tfod: {said}")
    proxy.fault = of("artifacts", s3_says("RequestTimeTooSkewed"))
    code, error, hint = refusal(capsys, "fetch", "first", tmp_path / "h", "--stack", stack)
    assert code == 78
    assert error.startswith("s3://artifacts/tfod: this machine's clock is wrong; S3 says ")
    assert hint.startswith("set the clock")


def test_credentials_that_expire_while_a_log_is_followed(capsys, scene):
    begin(scene.cloud, "first")
    arn = scene.fleet.add("first", 1, containers=RUNNING, containerInstanceArn="arn:host")
    log("first1", "step 1")

    def finish():
        scene.proxy.fault = lambda method, path: None
        scene.fleet.change(arn, lastStatus="STOPPED", desiredStatus="STOPPED",
                           stoppedReason="Essential container in task exited",
                           containers=[{"name": n, "exitCode": c} for n, _, c in DONE])  # fmt: skip
        end("first", "SUCCEEDED")

    def answering(answer):
        return lambda: setattr(scene.proxy, "fault", lambda method, path: answer)

    steps = iter([answering(TROUBLES["expired"][0]), lambda: None, answering(None),
                  answering(TROUBLES["throttled"][0]), finish])  # fmt: skip
    scene.monkeypatch.setattr("tfod_toolkit.cli.logs.pause", lambda _: next(steps)())
    code, out, err = run(capsys, "logs", "first", "--follow", "--stack", scene.stack)
    assert (code, out) == (0, "tfod        | step 1\n")
    assert [line for line in err.splitlines() if not line.startswith("-- training: ")] == [
        "-- attempt 1: training",
        "-- the stack's state machine: the AWS credentials have expired; log in, for instance: aws "
        "sso login, or aws configure; AWS_PROFILE names a profile. The run goes on; trying again",
        "-- AWS answers again",
        "-- the stack's state machine: AWS is asked too often (ThrottlingException: Rate "
        "exceeded); wait a minute, and try again; what others ask in the account counts, too. "
        "The run goes on; trying again",
        "-- attempt 1: stopped",
        "-- attempt 1 ended: the trainer ended well",
        "-- AWS answers again",
        "-- the trainer ended well",
    ]
