"""
What can go wrong with an answer, as the application is told of it.
"""

from __future__ import annotations

import attrs

from ..api.message_kinds import Message
from ..webhook import Push
from ._answers import Answerable

__all__ = ["AnswerTooLong", "Failure", "NoAgentOnline"]


class AnswerTooLong(Exception):
    """
    An answer has more messages than WeChat allows after a push; those that fit were sent.
    """


class NoAgentOnline(Exception):
    """
    A transfer came too late for a passive reply, and no agent is online with whom to open a session.
    """


@attrs.frozen
class Failure:
    """
    A push that was not, or not wholly, answered.

    Attributes:
        push: The push.

        error: What was raised: by the handler, by the client (`KfError.effect` says whether the message may have
            arrived), or `TimeoutError`, `AnswerTooLong`, `NoAgentOnline`.

        answer: What the handler gave; None if it had not yet.

        sent: The messages that were sent for the push.

        unsent: The messages of the answer that were not sent, the one that failed first.
    """

    push: Push
    error: Exception
    answer: Answerable = None
    sent: tuple[Message, ...] = ()
    unsent: tuple[Message, ...] = ()
