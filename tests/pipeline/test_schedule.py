from __future__ import annotations

import pytest

from tfod_toolkit.pipeline import parse_config, resolve
from tfod_toolkit.pipeline.resolve import Overrides

COSINE = """train_config {{ num_steps: {steps} optimizer {{ momentum_optimizer {{ learning_rate {{
  cosine_decay_learning_rate {{
    learning_rate_base: 0.1 total_steps: {total} warmup_steps: {warmup} }}
}} }} }} }}"""
RATE = "train_config.optimizer.momentum_optimizer.learning_rate"


def cosine(steps: int, total: int, warmup: int = 100):
    return parse_config(COSINE.format(steps=steps, total=total, warmup=warmup), "c")


def rate_of(config):
    return config.train_config.optimizer.momentum_optimizer.learning_rate


def test_a_schedule_as_long_as_its_steps_follows_them():
    resolved = resolve(cosine(1000, 1000), steps=500)
    stage = rate_of(resolved.config).cosine_decay_learning_rate
    assert (stage.total_steps, stage.warmup_steps) == (500, 50)
    assert resolved.notes == (
        "num_steps 1000 -> 500",
        "the learning-rate schedule follows the steps: "
        "total_steps 1000 -> 500, warmup_steps 100 -> 50",
    )


@pytest.mark.parametrize("total", [900, 2000])
def test_a_schedule_of_another_length_is_left_alone(total):
    resolved = resolve(cosine(1000, total), steps=500)
    assert rate_of(resolved.config).cosine_decay_learning_rate.total_steps == total
    assert resolved.notes == ("num_steps 1000 -> 500",)


def test_warm_up_never_outlasts_the_schedule():
    for steps in (1, 2, 7):
        stage = rate_of(resolve(cosine(1000, 1000, 1000), steps=steps).config)
        assert stage.cosine_decay_learning_rate.warmup_steps <= steps


def test_a_warm_up_that_is_a_default_follows_too():
    config = cosine(20000, 20000)
    rate_of(config).cosine_decay_learning_rate.ClearField("warmup_steps")
    stage = rate_of(resolve(config, steps=200).config).cosine_decay_learning_rate
    assert stage.warmup_steps == 100  # of 10,000, TFOD's default


def test_manual_steps_within_the_training_follow_and_still_rise():
    config = parse_config(
        """train_config { num_steps: 140000 optimizer { adam_optimizer { learning_rate {
        manual_step_learning_rate { initial_learning_rate: 0.1
          schedule { step: 90000 learning_rate: 0.01 }
          schedule { step: 120000 learning_rate: 0.001 } } } } } }""",
        "c",
    )

    def boundaries(steps):
        rate = resolve(config, steps=steps).config.train_config.optimizer.adam_optimizer
        return [s.step for s in rate.learning_rate.manual_step_learning_rate.schedule]

    assert boundaries(1400) == [900, 1200]
    assert boundaries(1) == [1, 2]


def test_manual_steps_beyond_the_training_are_left_alone():
    config = parse_config(
        """train_config { num_steps: 50000 optimizer { momentum_optimizer { learning_rate {
        manual_step_learning_rate { schedule { step: 900000 learning_rate: 0.1 } } } } } }""",
        "c",
    )
    rate = rate_of(resolve(config, steps=100).config)
    assert rate.manual_step_learning_rate.schedule[0].step == 900000


@pytest.mark.parametrize(("decay", "after"), [(1000, 500), (100, 100)])
def test_exponential_decay_follows_where_it_is_one_decay_long(decay, after):
    config = parse_config(
        f"""train_config {{ num_steps: 1000 optimizer {{ momentum_optimizer {{ learning_rate {{
        exponential_decay_learning_rate {{ decay_steps: {decay} }} }} }} }} }}""",
        "c",
    )
    rate = rate_of(resolve(config, steps=500).config)
    assert rate.exponential_decay_learning_rate.decay_steps == after


def test_an_override_with_a_schedule_of_its_own_keeps_it():
    override = COSINE.format(steps=4000, total=25000, warmup=1000)
    resolved = resolve(
        cosine(1000, 1000), overrides=Overrides(override=override), steps=2000, name="base"
    )
    assert rate_of(resolved.config).cosine_decay_learning_rate.total_steps == 25000


def test_a_schedule_written_with_new_steps_follows_later_ones():
    override = COSINE.format(steps=4000, total=4000, warmup=400)
    resolved = resolve(cosine(1000, 1000), overrides=Overrides(override=override), steps=2000)
    stage = rate_of(resolved.config).cosine_decay_learning_rate
    assert (stage.total_steps, stage.warmup_steps) == (2000, 200)


def test_a_warm_up_that_was_set_by_hand_stays():
    by_hand = f"{RATE}.cosine_decay_learning_rate.warmup_steps=77"
    resolved = resolve(
        cosine(1000, 1000), overrides=Overrides(assignments=(by_hand,)), steps=500, name="base"
    )
    stage = rate_of(resolved.config).cosine_decay_learning_rate
    assert (stage.total_steps, stage.warmup_steps) == (500, 77)
    sources = resolved.sources
    assert sources[f"{RATE}.cosine_decay_learning_rate.total_steps"] == "schedule follows the steps"
    assert sources[f"{RATE}.cosine_decay_learning_rate.warmup_steps"] == f"--set {by_hand}"
    assert sources[f"{RATE}.cosine_decay_learning_rate.learning_rate_base"] == "base"
    assert sources["train_config.num_steps"] == "--steps"
