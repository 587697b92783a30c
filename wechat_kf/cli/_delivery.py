"""
Sending one message to one customer or to many: how far it is, and what became of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import attrs
from anyio.abc import TaskGroup

from .._concurrency import background_tasks
from .._errcodes import errcode_of
from .._errors import ApiError, AuthError, JournalError, KfError, PermissionDenied
from ..api.message_kinds import Message
from ..broadcast import Outcome, Outcomes, Pair
from ._exits import Exit, describe, exit_of
from ._openids import Recipients
from ._options import Session
from ._output import Output

__all__ = ["Delivery", "Tally"]

# So many failures are shown to people; programs get all.
_SHOWN: Final = 10


@attrs.define
class Tally:
    """
    What became of the messages.

    Attributes:
        recipients: Whom they are for.

        concurrency: How many are under way at most.

        begun: How many were taken up.

        settled: What became of how many is known.

        delivered: How many WeChat took.

        before: How many of these an earlier run had delivered.

        failures: The outcomes of those that it did not take for certain, an earlier run's too.

        cut_off: Whether those that were taken up and are not settled may have been sent.

        fatal: The failure that all others would have shared; with it sending ended.
    """

    recipients: Recipients
    concurrency: int
    begun: int = 0
    settled: int = 0
    delivered: int = 0
    before: int = 0
    failures: list[Outcome] = attrs.field(factory=list[Outcome])
    cut_off: bool = True
    fatal: KfError | None = None

    def add(self, outcome: Outcome) -> None:
        """
        Count an outcome.
        """
        self.settled += 1
        if outcome.error is None:
            self.delivered += 1
            self.before += outcome.is_earlier
            return
        self.failures.append(outcome)
        # Another customer's message would fare no better; a kind of message that is refused is refused to all, too.
        if isinstance(outcome.error, (AuthError, PermissionDenied)):
            self.fatal = self.fatal or outcome.error

    @property
    def uncertain(self) -> int:
        """
        How many may or may not have arrived.
        """
        doubtful = sum(each.error is not None and each.error.effect == "unknown" for each in self.failures)
        return doubtful + self._under_way

    @property
    def not_begun(self) -> int:
        """
        How many are still to be sent.
        """
        return len(self.recipients.openids) - self.settled - self._under_way

    @property
    def _under_way(self) -> int:
        # With a journal rows are taken up, and held until it has been compared.
        return min(self.begun - self.settled, self.concurrency) if self.cut_off else 0

    @property
    def exit(self) -> Exit:
        """
        The exit code, unless a signal has one.
        """
        if self.uncertain:
            return Exit.UNCERTAIN
        if self.fatal is not None:
            return exit_of(self.fatal)
        return Exit.PARTLY if self.failures else Exit.DONE

    def tell(self, out: Output) -> None:
        """
        Write the summary.
        """
        refused: Counter[int] = Counter()
        not_sent = 0
        for each in self.failures:
            if each.error is not None and each.error.effect == "none":
                if isinstance(each.error, ApiError):
                    refused[each.error.errcode] += 1
                else:
                    not_sent += 1
        if out.as_json:
            about: dict[str, object] = {
                "delivered": self.delivered,
                "refused": refused,
                "not_sent": not_sent,
                "uncertain": self.uncertain,
            }
            failures = [self._failure(each) for each in self.failures]
            about |= {"not_begun": self.not_begun, "before": self.before, "failures": failures}
            if isinstance(self.fatal, JournalError):
                # It is of no message, so that it is not among the failures.
                text = describe(self.fatal)
                about["error"] = {"message": text, "exit": self.exit, "kind": "JournalError", "effect": "none"}
            out.value(about, "")
            return
        before = f"{self.before} of them by an earlier run" if self.before else ""
        rows: list[dict[str, Any]] = [{"result": "delivered", "messages": self.delivered, "meaning": before}]
        for errcode, number in refused.most_common():
            meaning = errcode_of(errcode).meaning
            rows.append({"result": f"refused: {errcode}", "messages": number, "meaning": meaning})
        for result, number, meaning in (
            ("not sent", not_sent, "certainly not delivered; may be sent again"),
            ("uncertain", self.uncertain, "may or may not have been delivered"),
            ("not begun", self.not_begun, "still to be sent"),
        ):
            if number:
                rows.append({"result": result, "messages": number, "meaning": meaning})
        out.rows(("result", "messages", "meaning"), rows)
        for each in self.failures[:_SHOWN]:
            failure = self._failure(each)
            out.note(f"line {failure['line']}, {each.touser}: {failure['message']}")
        if len(self.failures) > _SHOWN:
            out.note(f"{len(self.failures) - _SHOWN} more failed; --json tells all.")

    def _failure(self, outcome: Outcome) -> dict[str, Any]:
        error = outcome.error or KfError()
        return {
            "line": self.recipients.lines[outcome.index],
            "openid": outcome.touser,
            "errcode": error.errcode if isinstance(error, ApiError) else None,
            "effect": error.effect,
            "message": describe(error),
        }


@attrs.frozen
class Delivery:
    """
    Sends a message to many.

    Attributes:
        session: The command's.

        tally: Counts what becomes of them.
    """

    session: Session
    tally: Tally

    def pairs(self, message: Message) -> Iterator[Pair]:
        """
        Give the pairs to send.
        """
        for openid in self.tally.recipients.openids:
            self.tally.begun += 1
            yield openid, message

    async def run(self, outcomes: Outcomes) -> int:
        """
        Take the outcomes, show how far it is, and tell the summary, whatever ends it.
        """
        out, stop = self.session.out, self.session.stop
        with out.progress() as progress:
            task = progress.add_task("Sending", total=len(self.tally.recipients.openids))
            stop.listen()
            try:
                async with background_tasks() as tasks:
                    tasks.start_soon(self._leave_when_asked, outcomes)
                    await self._count(outcomes, tasks, partial(progress.update, task))
                self.tally.cut_off = False
            finally:
                progress.stop()
                self.tally.tell(out)
        return stop.exit or self.tally.exit

    async def _count(self, outcomes: Outcomes, tasks: TaskGroup, update: Callable[..., None]) -> None:
        try:
            async for outcome in outcomes:
                is_first = self.tally.fatal is None
                self.tally.add(outcome)
                update(completed=self.tally.settled)
                if self.tally.fatal is not None and is_first:
                    tasks.start_soon(outcomes.aclose)
        except JournalError as error:
            # What was under way has settled before it is raised.
            self.tally.fatal = error
            self.session.out.note(describe(error))

    async def _leave_when_asked(self, outcomes: Outcomes) -> None:
        await self.session.stop.asked.wait()
        self.session.out.note("Stopping once the messages under way are settled; Ctrl-C again does not wait for them.")
        await outcomes.aclose()
