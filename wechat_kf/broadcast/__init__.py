"""
Sending to many: the outcome of each message as it settles.

Each customer's messages stay in order.
"""

from __future__ import annotations

from ._outcomes import Outcome, Outcomes, Pair

__all__ = ["Outcome", "Outcomes", "Pair"]
