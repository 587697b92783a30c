"""
How an answer leaves: as the passive reply while WeChat waits for it, else as messages, each marked before it is sent.
"""

from __future__ import annotations

from typing import Final, cast

from .._errors import KfError, NotSent, RateLimited, SystemBusy
from ..api.message_kinds import Message
from ..webhook import TransferReply
from ._answers import Answer, Answerable, as_answer, as_messages, as_reply
from ._failures import AnswerTooLong, NoAgentOnline
from ._inbox import InboxWorker, Place
from ._job import Job
from ._options import Options

__all__ = ["Sending", "TakenOver", "too_long"]

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 8.0


class TakenOver(Exception):
    """
    Another worker holds the push, or a repetition was given the reply: nothing is sent for it here.
    """


class Sending:
    """
    Sends what answers the pushes.

    Args:
        options: The bot's options.

        worker: This bot's part in the inbox.
    """

    def __init__(self, options: Options, worker: InboxWorker) -> None:
        self._options = options
        self._worker = worker

    async def settle(self, job: Job) -> None:
        """
        Let the request answer ``success``, if it waits, and wait until it has.
        """
        if job.request is not None:
            job.request.offer(None)
            await job.request.settled.wait()

    async def answer(self, job: Job, given: Answerable) -> None:
        """
        Answer with what a handler returned: by the passive reply if that is possible, else by messages.
        """
        answer = self._begin(job, given)
        if answer is not None and not (answer.passive and await self._reply(job, answer)):
            await self.settle(job)
            await self._send_answer(job, answer)

    async def send(self, job: Job, given: Answerable) -> None:
        """
        Send what a handler yielded, or what `on_error` returned.

        Raises:
            AnswerTooLong: It was more than may still be sent; what fits was sent.

            TakenOver: Nothing may be sent here.

            KfError: A message could not be sent, or it is not known.
        """
        answer = self._begin(job, given)
        if answer is not None:
            await self._send_answer(job, answer)

    def _begin(self, job: Job, given: Answerable) -> Answer | None:
        answer = as_answer(given, self._options.kf_account, self._options.is_ai_msg)
        job.answer, job.unsent = given, []
        return answer

    async def _reply(self, job: Job, answer: Answer) -> bool:
        """
        Give the passive reply to the request that waits; return whether it was written, in whole or in part.
        """
        clock, request, reply = self._options.clock, job.request, as_reply(answer.content)
        if reply is None or request is None or not request.is_open(clock):
            return False
        body = self._options.webhook.wrap(reply, job.push, request.query)
        if not await self._worker.reply(cast("Place", job.place), request.number, body):
            return False
        job.is_replied = True
        # Marking takes time, and a handler may have held the event loop.
        request.offer(body if clock.monotonic() < request.deadline else None)
        await request.settled.wait()
        return request.is_taken

    async def _send_answer(self, job: Job, answer: Answer) -> None:
        if isinstance(answer.content, TransferReply):
            await self._transfer(job, answer.content)
            return
        fitting, left = as_messages(answer.content, max(0, job.limit - job.spent))
        job.unsent = fitting + left
        for message in fitting:
            await self._send(job, message, answer)
            job.unsent = job.unsent[1:]
        if left:
            raise too_long(job, left)

    async def _send(self, job: Job, message: Message, answer: Answer) -> None:
        # Should this process die with the message on its way, the push must not be handled by another.
        if not await self._worker.send(cast("Place", job.place), job.spent + 1):
            raise TakenOver
        options = self._options
        until: float | None = None
        pause = _FIRST_PAUSE
        while True:
            job.is_sending = True
            try:
                await options.kf.send_custom_message(
                    job.push.openid, message, kf_account=answer.kf_account, is_ai_msg=answer.is_ai_msg
                )
            except KfError as error:
                job.is_sending = False
                now = options.clock.monotonic()
                if until is None:
                    until = now + options.resend
                if error.effect == "unknown":
                    job.spent += 1
                if not _will_pass(error) or now >= until:
                    raise
                wait = error.retry_after if isinstance(error, RateLimited) else pause
                pause = min(2 * pause, _LONGEST_PAUSE)
                await options.clock.sleep(min(wait, until - now))
            except Exception:
                job.is_sending = False
                raise
            else:
                job.is_sending = False
                job.spent += 1
                job.sent.append(message)
                job.seen.messages += 1
                self._note_when(job)
                return

    async def _transfer(self, job: Job, reply: TransferReply) -> None:
        """
        Open a session with an agent, since it is too late for the reply that lets WeChat choose one.
        """
        kf, kf_account = self._options.kf, reply.kf_account
        if kf_account is None:
            online = (await kf.get_online_kf_list()).kf_online_list
            free = [agent for agent in online if agent.status and agent.kf_account]
            if not free:
                raise NoAgentOnline("no agent is online, and it is too late for WeChat to keep the customer waiting")
            kf_account = min(free, key=lambda agent: agent.accepted_case or 0).kf_account
        await kf.create_kf_session(kf_account or "", job.push.openid)
        self._note_when(job)

    def _note_when(self, job: Job) -> None:
        if job.seen.is_late is None:
            job.seen.is_late = job.request is None or self._options.clock.monotonic() >= job.request.deadline


def too_long(job: Job, left: list[Message]) -> AnswerTooLong:
    """
    Say that not all of an answer may be sent.
    """
    return AnswerTooLong(
        f"WeChat allows {job.limit} messages in answer to this push; {len(left)} of the answer were not sent"
    )


def _will_pass(error: KfError) -> bool:
    if isinstance(error, NotSent):
        return not error.is_lasting
    return error.effect == "none" and isinstance(error, (RateLimited, SystemBusy))
