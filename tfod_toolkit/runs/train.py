"""``tfod train``: config and records in; a trained, evaluated, exported model and a report out."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfod_toolkit.errors import ConfigError, Interrupted, TfodError
from tfod_toolkit.runs.batch import chosen_batch
from tfod_toolkit.runs.folder import RunFolder
from tfod_toolkit.runs.manifest import FAILED, FINISHED, INTERRUPTED, Manifest
from tfod_toolkit.runs.metric import check_metric
from tfod_toolkit.training import StopNow, TrainSettings
from tfod_toolkit.training.devices import expected_replicas, is_chief, prepare_environment

if TYPE_CHECKING:
    from tfod_toolkit.pipeline import Finding, RecordFacts, Resolved
    from tfod_toolkit.training import Interruption
    from tfod_toolkit.training.loop import Trainer
    from tfod_toolkit.training.progress import Progress
    from tfod_toolkit.training.watchdog import Watchdog

#: Evaluations in a run, where their interval is not given, and the shortest such interval.
EVALUATIONS, SHORTEST_INTERVAL = 10, 500
#: Records up to this size are read through before training: a second or two.
CHECKED_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """What ``tfod train`` was asked for.

    Attributes:
        resolved: the pipeline config, with all that was laid over it.
        folder: where the run lies.
        with_batch: resolves anew with a batch that is found by trying; ``None``: the batch stands
            in the config.
        evaluate_every: steps between evaluations; 0: only at the end; ``None``: chosen.
        precision: a Keras policy; ``None``: what the config's ``use_bfloat16`` says.
        fresh: start over, whatever the folder holds.
        options: further fields of :class:`TrainSettings` by name.
        arguments: the command's words, for the manifest.
        watchdog: ends a run that hangs, where there is one.
    """

    resolved: Resolved
    folder: RunFolder
    with_batch: Callable[[int], Resolved] | None = None
    evaluate_every: int | None = None
    precision: str | None = None
    fresh: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    watchdog: Watchdog | None = None


def train(request: TrainRequest, interruption: Interruption, progress: Progress) -> Manifest:
    """Carry a run to its end from wherever it stands.

    Returns:
        The manifest of the finished run.

    Raises:
        Interrupted: a signal came; the same request goes on from there.
        TfodError: whatever else ended it; the manifest says so too.
    """
    for note in request.resolved.notes:
        progress.say(note)
    replicas = expected_replicas(request.options.get("devices", ()))
    facts = _checked(request, progress, replicas)
    settings = _settings(request)
    check_metric(settings.config, settings.metric)
    prepare_environment(settings.precision)
    if not is_chief():
        _assist(settings, interruption)
        return Manifest(request.folder.manifest, {})
    with request.folder.held():
        if request.fresh:
            request.folder.clear()
        before = _before(request, progress)
        found: dict[str, Any] = {}
        if request.with_batch is not None:
            found = chosen_batch(settings, before, facts, progress)
            resolved = request.with_batch(found["batch_search"]["chosen"])
            request = replace(request, resolved=resolved)
            settings = _settings(request)
        _check_same_config(request.folder, request.resolved, before)
        if before and before.finished:
            progress.say(
                f"{request.folder.root} is finished: see {request.folder.report} "
                "(--fresh starts it over)"
            )
            return before
        manifest = _start(request, found)
        try:
            _carry_out(request, settings, manifest, interruption, progress)
        except StopNow:
            error = interruption.as_error()
            manifest.end(INTERRUPTED, error.message)
            raise error from None
        except Interrupted as error:
            manifest.end(INTERRUPTED, error.message)
            raise
        except TfodError as error:
            manifest.end(FAILED, error.message)
            raise
        except BaseException as error:
            manifest.end(FAILED, f"{type(error).__name__}: {error}")
            raise
    return manifest


def _checked(request: TrainRequest, progress: Progress, replicas: int) -> RecordFacts | None:
    """Find what is wrong with a config and its records before anything is built.

    Returns:
        What the training records hold, where they were read through.

    Raises:
        ConfigError: it cannot run; names everything that is wrong.
        BadDataError: records are damaged.
        MissingInputError: records that it names are not there.
    """
    from tfod_toolkit.pipeline import check_config, device_here, with_sources

    # Where the batch is still to be found, one that every device can share stands for it.
    resolved = request.with_batch(replicas) if request.with_batch else request.resolved
    config = resolved.config
    facts = _facts(config)
    findings = check_config(config, replicas=replicas, facts=facts, device=device_here())
    findings = with_sources(findings, resolved.layers)
    for finding in findings:
        if not finding.fatal:
            for line in finding.lines():
                progress.say(line)
    fatal = [finding for finding in findings if finding.fatal]
    if fatal:
        raise ConfigError(
            "the config cannot run: " + "; ".join(map(_with_source, fatal)),
            "; ".join(dict.fromkeys(finding.hint for finding in fatal if finding.hint)),
        )
    return facts


def _with_source(finding: Finding) -> str:
    return finding.message + (f" (set by {finding.set_by})" if finding.set_by else "")


def _facts(config: Any) -> RecordFacts | None:
    """Read small records through, so that a damaged file is named before anything is built.

    Returns:
        What they hold; ``None`` where they are large, or the config names none (which
        ``check_config`` finds).
    """
    from tfod_toolkit.dataset import check_records, read_examples, record_files
    from tfod_toolkit.pipeline import gather_facts

    facts = None
    for reader in (*config.eval_input_reader, config.train_input_reader):
        patterns = list(reader.tf_record_input_reader.input_path)
        if not patterns or any("PATH_TO_BE_CONFIGURED" in pattern for pattern in patterns):
            return None
        files = record_files(patterns)
        if sum(file.stat().st_size for file in files) <= CHECKED_BYTES:
            check_records(files)
            facts = gather_facts(read_examples(files))
    return facts


def _settings(request: TrainRequest) -> TrainSettings:
    config = request.resolved.config.train_config
    steps = config.num_steps
    every = request.evaluate_every
    if every is None:
        every = max(SHORTEST_INTERVAL, steps // EVALUATIONS)
    precision = request.precision
    if precision is None:
        precision = "mixed_bfloat16" if config.use_bfloat16 else "float32"
    return TrainSettings(
        config=request.resolved.config,
        folder=request.folder.training,
        steps=steps,
        evaluate_every=every,
        precision=precision,
        **request.options,
    )


def _before(request: TrainRequest, progress: Progress) -> Manifest | None:
    """The manifest of the run that the folder holds, where there is anything to go on from.

    A run that has left no checkpoint is forgotten once another config is asked for: one that
    could not run, say, and has been put right.
    """
    folder = request.folder
    before = Manifest.read(folder.manifest)
    if before is None or before.finished or folder.has_checkpoints:
        return before
    resolved = request.resolved
    if request.with_batch is not None:
        search = before.fields.get("batch_search")
        if search is None:
            return None
        resolved = request.with_batch(search["chosen"])
    if _changed(folder, resolved):
        progress.say(f"{folder.root} was begun with another config, and has no checkpoint of it")
        return None
    return before


def _check_same_config(folder: RunFolder, resolved: Resolved, before: Manifest | None) -> None:
    """Refuse to go on with another config than the run began with.

    Raises:
        ConfigError: naming the fields that differ.
    """
    changed = _changed(folder, resolved) if before is not None else []
    if changed:
        shown = "; ".join(changed[:5]) + (
            f"; and {len(changed) - 5} more" if len(changed) > 5 else ""
        )
        raise ConfigError(
            f"{folder.root} is a run of another config: {shown}",
            "name another folder with --run, or use --fresh to start this one over",
        )


def _changed(folder: RunFolder, resolved: Resolved) -> list[str]:
    """The fields in which a config differs from the one that the folder's run began with."""
    from tfod_toolkit.pipeline import differences, load_config

    if not folder.config.is_file():
        return []
    return differences(load_config(folder.config), resolved.config)


def _start(request: TrainRequest, found: Mapping[str, Any]) -> Manifest:
    from tfod_toolkit.dataset import fingerprint
    from tfod_toolkit.pipeline import SOURCES_NAME, save_config, save_sources

    resolved = request.resolved
    save_config(resolved.config, request.folder.config)
    save_sources(resolved.layers, request.folder.root / SOURCES_NAME)
    reader = resolved.config.train_input_reader.tf_record_input_reader
    return Manifest.start(
        request.folder.manifest,
        "train",
        dict(request.arguments),
        dataset_fingerprint=fingerprint(reader.input_path),
        **found,
    )


def _carry_out(
    request: TrainRequest,
    settings: TrainSettings,
    manifest: Manifest,
    interruption: Interruption,
    progress: Progress,
) -> None:
    """Train, then evaluate, export and report on the best checkpoint."""
    from tfod_toolkit.runs.assessment import Assessment
    from tfod_toolkit.runs.completion import complete, report
    from tfod_toolkit.training.loop import Trainer

    began, folder = time.monotonic(), request.folder
    trainer = Trainer(settings, interruption, progress, request.watchdog)
    _restore_fine_tune(trainer, progress)
    if trainer.resumed_at:
        progress.say(f"going on from step {trainer.resumed_at:,}")
    assessment = Assessment(settings.config, trainer.learner.model, interruption)
    for note in assessment.notes:
        progress.say(note)
    outcome = trainer.run(assessment.metrics)
    if outcome.stopped_early:
        progress.say(
            f"stopped early at step {outcome.step:,}: no better {settings.metric} for "
            f"{settings.patience} evaluations"
        )
    metrics = complete(folder, trainer, outcome, assessment, progress)
    manifest.fields |= {
        "step": outcome.step,
        "best_step": outcome.best_step,
        "seconds": round(time.monotonic() - began, 1),
        "metrics": metrics,
    }
    manifest.write()
    report(folder, metrics, progress)
    manifest.end(FINISHED, "stopped early" if outcome.stopped_early else "all steps taken")


def _assist(settings: TrainSettings, interruption: Interruption) -> None:
    """Train as a worker that is not the chief: take every step, write nothing that lasts.

    TensorFlow has each worker save and evaluate in step with the chief; what this one writes goes
    to a folder that is removed. It goes on from the run's own checkpoints, which lie on a disk that
    all workers share.
    """
    from tfod_toolkit.runs.assessment import Assessment
    from tfod_toolkit.training.loop import Trainer
    from tfod_toolkit.training.progress import Progress

    with (
        tempfile.TemporaryDirectory(prefix="tfod-worker-") as scratch,
        Path(os.devnull).open("w") as quiet,
    ):
        silent = Progress(quiet)
        apart = replace(settings, folder=Path(scratch), restore_from=settings.folder)
        trainer = Trainer(apart, interruption, silent)
        _restore_fine_tune(trainer, silent)
        trainer.run(Assessment(settings.config, trainer.learner.model, interruption).metrics)


def _restore_fine_tune(trainer: Trainer, progress: Progress) -> None:
    """Start from the config's ``fine_tune_checkpoint``, unless the run is already under way."""
    from tfod_toolkit.training.fine_tune import restore_fine_tune

    config = trainer.learner.train_config
    if config.fine_tune_checkpoint and not trainer.resumed_at:
        progress.working(f"restoring {config.fine_tune_checkpoint}")
        for line in restore_fine_tune(trainer.learner):
            progress.say(line)
