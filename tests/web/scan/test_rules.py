"""What is done when something has been in sight for a while."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.web.scan.conftest import seen
from tfod_toolkit.errors import UsageError
from tfod_toolkit.web.scan import rules as module
from tfod_toolkit.web.scan.rules import Rule, Rules, parse_rule

NOW = 1_700_000_000.0


@pytest.fixture
def told():
    return []


def acting(log, told, *rules):
    return Rules(rules, lambda *words: told.append(words))


def test_a_command_is_run_once_for_a_sighting(log, told, tmp_path):
    out = tmp_path / "out"
    rule = parse_rule(f"cat:2s:sh -c 'cat >> {out}; echo $TFOD_CLASS $TFOD_SECONDS >> {out}'")
    rules = acting(log, told, rule)
    for frame in range(50):
        rules.observe(log.observe(seen(cat=0.9, dog=0.9), NOW + 0.1 * frame))
    rules.close()
    assert told == [("cat", rule.action, "done")]
    event, line = out.read_text().rsplit("}", 1)
    assert line.split() == ["cat", "2.0"]
    assert json.loads(event + "}")["rule"] == "cat for 2 s"


def test_it_acts_again_when_the_thing_comes_again(log, told):
    rules = acting(log, told, Rule("cat", 0.5, "true"))
    for start in (0, 100):
        for frame in range(10):
            rules.observe(log.observe(seen(cat=0.9), NOW + start + 0.1 * frame))
        log.end_all()
    rules.close()
    assert len(told) == 2


def test_what_is_gone_too_soon_does_nothing(log, told):
    rules = acting(log, told, Rule("cat", 3, "true"))
    for frame in range(20):
        rules.observe(log.observe(seen(cat=0.9), NOW + 0.1 * frame))
    rules.close()
    assert told == []


def test_a_webhook_gets_the_event(log, told):
    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, json.loads(body)))
            self.send_response(204 if self.path == "/hook" else 500)
            self.end_headers()

        def log_message(self, *args):
            pass

    got = []
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        rules = acting(log, told, Rule("cat", 0, f"{base}/hook"), Rule("cat", 0, f"{base}/broken"))
        rules.observe(log.observe(seen(cat=0.9), NOW))
        rules.close()
        server.shutdown()
        thread.join()
    assert dict(got)["/hook"]["class"] == "cat"
    assert {outcome for *_, outcome in told} == {
        "answered 204",
        "answered 500 Internal Server Error",
    }


@pytest.mark.parametrize(
    ("action", "outcome"),
    [
        ("sh -c 'echo why >&2; exit 3'", "failed with 3: why"),
        ("/no/such/program", "cannot be run: No such file or directory"),
        ("tail -f /dev/null", "ended after 0.2 s: it took too long"),
        ("http://127.0.0.1:1/hook", "cannot be called: "),
    ],
)
def test_what_goes_wrong_is_told(log, told, monkeypatch, action, outcome):
    monkeypatch.setattr(module, "PATIENCE", 0.2 if "tail" in action else 30.0)
    rules = acting(log, told, Rule("cat", 0, action))
    rules.observe(log.observe(seen(cat=0.9), NOW))
    rules.close()
    assert told[0][2].startswith(outcome)


def test_words_that_are_rules():
    assert parse_rule("traffic light:3:https://a/b:c") == Rule("traffic light", 3, "https://a/b:c")
    assert parse_rule("cat : 0.5s : ./bell 'a b'").action == "./bell 'a b'"
    assert parse_rule("a:1:https://x").is_webhook


@pytest.mark.parametrize("word", ["", "cat", "cat:3", "cat:3:", ":3:x", "cat:x:y", "cat:-1:y",
                                  "cat:3:'open", "cat:nan:y"])  # fmt: skip
def test_words_that_are_no_rules(word):
    with pytest.raises(UsageError, match="is no rule") as caught:
        parse_rule(word)
    assert "CLASS:SECONDS:COMMAND" in caught.value.hint


def test_a_class_that_the_model_does_not_know():
    with pytest.raises(UsageError, match="no class 'bal'") as caught:
        parse_rule("bal:1:true", ["ball"])
    assert "did you mean 'ball'" in caught.value.hint
