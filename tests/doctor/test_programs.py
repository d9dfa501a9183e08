import sys

from tfod_toolkit.doctor.programs import ask


def test_an_answer_and_its_code():
    answer = ask([sys.executable, "-c", "print('yes'); raise SystemExit(3)"], 60)
    assert (answer.code, answer.output, answer.complaint) == (3, "yes\n", "")


def test_the_last_line_of_the_errors_is_the_complaint(program):
    program("grumble", "echo first >&2; echo 'the reason' >&2; echo >&2; exit 1")
    assert ask(["grumble"], 60).complaint == "the reason"


def test_no_such_program():
    assert ask(["no-such-program-anywhere"], 60) is None


def test_what_hangs_is_killed_with_all_it_started(program):
    program("hang", "echo started; tail -f /dev/null")
    answer = ask(["hang"], 0.3)
    assert answer.code is None
    assert answer.output == "started\n"
    assert answer.complaint == "no answer in 0.3 s"


def test_a_crash_names_its_signal(program):
    program("crash", "echo 'no AVX here' >&2; kill -ABRT $$")
    assert ask(["crash"], 60).complaint == "ended by SIGABRT: no AVX here"


def test_variables_are_added_to_the_environment(program):
    program("tell", 'echo "$WORD $HOME"')
    assert ask(["tell"], 60, {"WORD": "hello"}).output.startswith("hello /")
