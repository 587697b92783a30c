"""
What one worker knows by itself.
"""

from __future__ import annotations

from wechat_kf import SystemClock
from wechat_kf.bot import News
from wechat_kf.stores.redis._knowledge import Knowledge, Record

from .members import A


def test_what_is_not_held_is_let_be() -> None:
    """
    What is said of a push that is not held, or not any more, changes nothing.
    """
    news: list[News] = []
    knowledge = Knowledge(news.append, 600, SystemClock())
    record = Record(A, b"", 0, at_once=False)
    knowledge.hold(record)
    knowledge.drop(record)
    knowledge.drop(record)
    knowledge.interrupt(A.key)
    knowledge.turn(A.key)
    knowledge.tell(A)

    assert news == []
    assert knowledge.held == {}
    assert knowledge.untold() == []


def test_two_deliveries_at_once() -> None:
    """
    A push is about to be held until the last of its deliveries is told.
    """
    knowledge = Knowledge(print, 600, SystemClock())
    with knowledge.arriving(A.key):
        with knowledge.arriving(A.key):
            pass
        between = knowledge.has(A.key)

    assert between
    assert not knowledge.has(A.key)
