"""Who watches a pretraining: one process writes down what happens and raises the alarm, others keep silent."""

from __future__ import annotations

from collections.abc import Mapping

from medtrimix.errors import CollapseError
from medtrimix.steps.context import Context
from medtrimix.training.health import OnCollapse, Work
from medtrimix.training.watch import Watcher

_CURE = (
    "Look at the weights of the loss, the learning rate and the batch size (docs/monitoring.md); "
    "with pretrain.on_collapse: warn such a run goes on to its end."
)


class Recording:
    """Passes the loop's news on to the recorder, and what the watcher sees; raises the alarm."""

    def __init__(self, context: Context, *, work: Work, watcher: Watcher | None, on_collapse: OnCollapse) -> None:
        self._recorder = context.recorder
        self._work, self._watcher, self._on_collapse = work, watcher, on_collapse
        self.flush = context.recorder.flush
        self.rewind = context.recorder.rewind
        self.should_stop = context.should_stop

    def step(self, step: int, *, total_steps: int, terms: Mapping[str, float]) -> None:
        """A finished step, with what the watcher sees after it."""
        images = self._work.images_per_step
        seen = {} if self._watcher is None else self._watcher.after(step)
        self._recorder.curve(step, values={**terms, **seen, "images": round((step + 1) * images)})
        self._recorder.progress(round((step + 1) * images), round(total_steps * images), unit="images")
        if self._watcher is None or not seen:
            return
        if what := self._watcher.collapsed(seen):
            self._alarm(f"epoch {(step + 1) / self._work.steps_per_epoch:.3g}: {what}")
        elif step + 1 == total_steps:
            self._recorder.pass_warning()

    def _alarm(self, message: str) -> None:
        """The first one is kept; later moments say the same."""
        self._recorder.warn(message)
        if self._on_collapse == "fail":
            self._recorder.flush()
            raise CollapseError(f"The representation collapsed. {message[0].upper()}{message[1:]}.", fix=_CURE)


class Silent:
    """The monitor of a process that writes nothing, and leaves it to the first one to stop."""

    def rewind(self, step: int) -> None:
        """Forgets nothing: it knows nothing."""

    def step(self, step: int, *, total_steps: int, terms: Mapping[str, float]) -> None:
        """Says nothing."""

    def flush(self) -> None:
        """Writes nothing."""

    def should_stop(self) -> bool:
        """Never by itself."""
        return False
