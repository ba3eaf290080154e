"""The error tree: what happened, where, and what to do about it.

    MedtrimixError             exit code 1
    ├── InputError             exit code 2: something that the user gave us; what was finished before is kept
    │   ├── ConfigError        one or many problems of a pipeline file, each with its line
    │   ├── SourceError        images or labels that can't be read, joined or trusted
    │   ├── LabelBudgetError   more labels asked for than there are
    │   └── LeakageError       patients or pictures on two sides of a split, or seen in pretraining
    ├── StepFailed             a step of the pipeline ended with an error
    │   ├── NumericalError     a loss or a metric became NaN or infinite
    │   └── CollapseError      a pretraining ended up giving all images the same embedding
    └── Interrupted            stopped on request; the same command goes on from here

Messages never contain identifiers, source paths or pixel values: a sample is named by its pseudonym.
"""

from __future__ import annotations

from dataclasses import dataclass


class MedtrimixError(Exception):
    """Root of everything that medtrimix raises on purpose.

    Args:
        what: what happened, one sentence.
        where: file and line, configuration key, or the pseudonym of a sample.
        fix: what the user can do.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(what, where, fix)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} {self.fix}".rstrip()

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process borders, so keyword arguments must survive pickling."""
        return _rebuild, (type(self), self.__dict__.copy())


def _rebuild(kind: type[MedtrimixError], state: dict[str, object]) -> MedtrimixError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    error.args = (state.get("what"), state.get("where"), state.get("fix"))
    return error


class InputError(MedtrimixError):
    """Something that the user gave us can't be used as it is."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One mistake in a pipeline file: `line` counts from 1 (0: not from a file), `key` is dotted."""

    line: int
    key: str
    message: str


class ConfigError(InputError):
    """Every problem that one reading of a pipeline file found, in the order of their lines."""

    def __init__(self, *, source: str, problems: tuple[Problem, ...]) -> None:
        self.source = source
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.key)))
        super().__init__(f"{len(problems)} problem(s)", where=source)

    def __str__(self) -> str:
        lines = []
        for problem in self.problems:
            place = f"{self.source}:{problem.line}" if problem.line else self.source
            lines.append(f"{place}: {problem.key}: {problem.message}")
        return "\n".join(lines)


class SourceError(InputError):
    """Images or labels can't be read, joined or trusted."""


class LabelBudgetError(InputError):
    """A label budget asks for more labelled samples than a class has."""


class LeakageError(InputError):
    """The same patient or the same picture is on two sides of a split, or was pretrained on and is to be tested."""


class StepFailed(MedtrimixError):
    """A step of the pipeline ended with an error; finished steps are kept."""


class NumericalError(StepFailed):
    """A loss or a metric became NaN or infinite."""


class CollapseError(StepFailed):
    """A pretraining gives all images nearly the same embedding, and `on_collapse` asks for an end."""


class Interrupted(MedtrimixError):
    """Stopped on request at a safe point; the same command goes on from there."""
