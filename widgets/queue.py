"""The line of jobs that wait: which place one has, another one, taking it out (undoable)."""

from __future__ import annotations

from contextlib import suppress

from widgets.session import Session
from widgets.undo import Command

ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def is_listed(session: Session, job: str) -> bool:
    """Whether a job is one that a person sees: small questions leave nothing behind."""
    return job not in session.jobs or hasattr(session.jobs[job].spec, "out")


def line_of(session: Session) -> list[str]:
    """The listed jobs that wait, the next one first."""
    return [job for job in session.waiting() if is_listed(session, job)]


def place_of(session: Session, job: str) -> int:
    """Place in the line, 1 = the next to start; 0 = it does not wait."""
    line = line_of(session)
    return line.index(job) + 1 if job in line else 0


def place_text(place: int) -> str:
    """ "waits, next", "waits, 2nd in line"; "" for 0."""
    if place < 2:
        return "waits, next" if place else ""
    ending = "th" if 10 < place % 100 < 14 else ENDINGS.get(place % 10, "th")
    return f"waits, {place}{ending} in line"


class MoveJob(Command):
    """Put a waiting job at another place in the line, 1 = next.

    Undo puts it behind those that were before it and still wait. Once it runs there is nothing
    to do or undo.
    """

    def __init__(self, session: Session, job: str, place: int) -> None:
        name = session.jobs[job].title if job in session.jobs else job
        super().__init__(f"Move {name} in the line of jobs")
        self.session, self.job, self.place = session, job, place
        line = line_of(session)
        self.before = set(line[: line.index(job)]) if job in line else set()

    def redo(self) -> None:
        self._put(self.place - 1)

    def undo(self) -> None:
        line = [j for j in line_of(self.session) if j != self.job]
        self._put(max((k + 1 for k, j in enumerate(line) if j in self.before), default=0))

    def _put(self, place: int) -> None:
        """Before the one that is at this place (from 0) now; small questions do not count."""
        every = [j for j in self.session.waiting() if j != self.job]
        listed = [k for k, j in enumerate(every) if is_listed(self.session, j)]
        if self.session.move(self.job, listed[place] if place < len(listed) else len(every)) < 0:
            self.setObsolete(True)
            self.session.message.emit("This job does not wait any more.", "info")


class CancelJob(Command):
    """Take a waiting job out of the line. Undo brings its item back and hands it in again, last."""

    def __init__(self, session: Session, job: str) -> None:
        self.session, self.job, self.record = session, job, session.jobs[job]
        super().__init__(f"Cancel {self.record.title}")

    def redo(self) -> None:
        if self.job in self.session.waiting():
            self.session.cancel(self.job)
        else:  # it must not be thrown away by the way, with what it has done
            self.setObsolete(True)
            self.session.message.emit("This job does not wait any more.", "info")

    def undo(self) -> None:
        item, kind, spec = self.record.item, self.record.kind, self.record.spec
        with suppress(ValueError):  # it is not in the bin yet
            self.session.project.restore(item)
        device = getattr(spec, "device", "")
        try:
            self.job = self.session.submit(spec, title=self.record.title, device=device)
        except (ValueError, OSError, RuntimeError) as error:
            self.setObsolete(True)
            self.session.message.emit(f"{self.record.title} did not start: {error}", "error")
        self.session.items_changed.emit(kind)
