"""The stream of outcomes: what is read together, in an order that does not depend on the number of processes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from medtrimix.errors import SourceError, StepFailed
from medtrimix.ingest.labels import UNLABELLED, Labels, read_labels
from medtrimix.ingest.listing import ListedFile, Source
from medtrimix.ingest.opening import Task
from medtrimix.ingest.options import SERVICE, DataOptions
from medtrimix.ingest.pacs.service import parse_service
from medtrimix.ingest.pool import Crew, Limits
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.reading import Spoiled
from medtrimix.ingest.register import Found, Register, nothing_joined
from medtrimix.ingest.sample import Finished, HeadersRead, OtherUnits, Outcome
from medtrimix.ingest.verdict import Verdict

Work = TypeVar("Work")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Unit(Generic[Work]):
    """Files, by their positions in the source, that are read together (`work` says how), or are refused unread."""

    files: tuple[int, ...]
    work: Work | Verdict


def read_all(
    source: Source,
    *,
    options: DataOptions,
    pseudonyms: Pseudonyms,
    workers: int,
    finished: Finished,
    headers_read: HeadersRead | None,
) -> Iterator[Outcome]:
    """The outcomes of a folder, a manifest or a service; see `source.ingest`."""
    labels = _labels(source, options=options, pseudonyms=pseudonyms)
    register = Register(labels, finding=options.finding, pseudonyms=pseudonyms, finished=finished)
    tasks = [Task(file.relative, file.path, labels.of_path(file.path).patient_id) for file in source.files]
    crew = Crew(workers, Limits(options.timeout_s, options.memory_limit_mb))
    read = _pictures if options.volume is None else partial(_volumes, headers_read=headers_read)
    outcomes: Iterator[Outcome] = read(
        source.files,
        tasks,
        register=register,
        crew=crew,
        options=options,
        pseudonyms=pseudonyms,
        done=frozenset(finished.units),
    )
    return outcomes


def _labels(source: Source, *, options: DataOptions, pseudonyms: Pseudonyms) -> Labels:
    if source.manifest is not None:
        return Labels.by_path({f"{source.root}/{name}": row for name, row in source.manifest.items()})
    if options.labels is None:
        return Labels("path", {})
    labels = read_labels(Path(options.labels), column=options.label, pseudonyms=pseudonyms)
    if labels.key == "path" and source.root is None:
        raise SourceError(
            "a service has no paths.",
            where="data.labels",
            fix="Its images are joined by series_uid, study_uid or patient_id.",
        )
    if labels.key == "path" and all(labels.of_path(file.path) is UNLABELLED for file in source.files):
        raise nothing_joined("path")
    return labels


def _pictures(
    files: Sequence[ListedFile],
    tasks: Sequence[Task],
    *,
    register: Register,
    crew: Crew,
    options: DataOptions,
    pseudonyms: Pseudonyms,
    done: Set[str],
) -> Iterator[Outcome]:
    """One pass: a unit is a file."""
    from medtrimix.ingest.reader import read_file

    read = partial(read_file, options=options, pseudonyms=pseudonyms)
    units = [_Unit((place,), file.verdict or task) for place, (file, task) in enumerate(zip(files, tasks, strict=True))]
    left = _left(units, files=files, pseudonyms=pseudonyms, done=done)
    return _outcomes(left, read, files=files, register=register, crew=crew, options=options)


def _volumes(
    files: Sequence[ListedFile],
    tasks: Sequence[Task],
    *,
    register: Register,
    crew: Crew,
    options: DataOptions,
    pseudonyms: Pseudonyms,
    done: Set[str],
    headers_read: HeadersRead | None,
) -> Iterator[Outcome]:
    """Two passes: the headers of all files say which make a volume; a unit is a volume, or a file that is in none."""
    from medtrimix.ingest.dicom.scan import SliceFacts
    from medtrimix.ingest.dicom.series import assemble
    from medtrimix.ingest.volume_reader import VolumeTask, Whole, read_volumes, scan_file

    scan = partial(scan_file, options=options, pseudonyms=pseudonyms)
    scanned: list[SliceFacts | Whole | Verdict] = []
    listed = [task for file, task in zip(files, tasks, strict=True) if not file.verdict]
    with closing(_attended(crew.map(scan, listed), options=options)) as found:
        for place, file in enumerate(files, start=1):
            scanned.append(file.verdict or next(found))
            if headers_read is not None:
                headers_read(place, len(files))
    assembly = assemble([facts if isinstance(facts, SliceFacts) else None for facts in scanned], options=options)
    units = [_Unit(volume, VolumeTask(tuple(tasks[place] for place in volume))) for volume in assembly.volumes]
    units += [_Unit((place,), verdict) for place, verdict in assembly.refused.items()]
    for place, facts in enumerate(scanned):
        if isinstance(facts, Verdict):
            units.append(_Unit((place,), facts))
        elif isinstance(facts, Whole):
            units.append(_Unit((place,), VolumeTask((tasks[place],))))
    units.sort(key=lambda unit: min(unit.files))
    read = partial(read_volumes, options=options, pseudonyms=pseudonyms)
    left = _left(units, files=files, pseudonyms=pseudonyms, done=done)
    yield from _outcomes(left, read, files=files, register=register, crew=crew, options=options)


def _left(
    units: Sequence[_Unit[Work]], *, files: Sequence[ListedFile], pseudonyms: Pseudonyms, done: Set[str]
) -> dict[str, _Unit[Work]]:
    """What is still to do, in order, by names that say which files a unit is made of.

    Raises:
        OtherUnits: a unit that is done is none of these.
    """
    named = {_name(unit, files=files, pseudonyms=pseudonyms): unit for unit in units}
    if not done <= named.keys():
        raise OtherUnits
    return {name: unit for name, unit in named.items() if name not in done}


def _name(unit: _Unit[Work], *, files: Sequence[ListedFile], pseudonyms: Pseudonyms) -> str:
    """96 bits, so that a million of them are small."""
    return pseudonyms.keyed_digest("//".join(["unit", *(files[place].relative for place in unit.files)]))[:24]


def _outcomes(
    units: Mapping[str, _Unit[Work]],
    read: Callable[[Work], Found],
    *,
    files: Sequence[ListedFile],
    register: Register,
    crew: Crew,
    options: DataOptions,
) -> Iterator[Outcome]:
    works = [unit.work for unit in units.values() if not isinstance(unit.work, Verdict)]
    with closing(_attended(crew.map(read, works), options=options)) as found:
        for name, unit in units.items():
            own = [files[place] for place in unit.files]
            outcome = register.outcome(own, unit.work if isinstance(unit.work, Verdict) else next(found))
            yield replace(outcome, unit=name)
    register.require_labels()


def _attended(results: Generator[Result], *, options: DataOptions) -> Generator[Result]:
    """`results`, unless the service is gone: that is no property of a file, and must not look like one.

    Raises:
        StepFailed: the service does not answer any more, or its credentials have expired.
    """
    with closing(results):
        for result in results:
            verdict = result.verdict if isinstance(result, Spoiled) else result
            if options.source.startswith(SERVICE) and verdict in (Verdict.unreadable, Verdict.timeout):
                _require_alive(options)
            yield result


def _require_alive(options: DataOptions) -> None:
    from medtrimix.ingest.pacs.dicomweb import require_alive

    try:
        require_alive(parse_service(options.source))
    except SourceError as error:
        fix = f"{error.fix} What was read is kept; the same command goes on from here."
        raise StepFailed(error.what, where=error.where, fix=fix) from None
