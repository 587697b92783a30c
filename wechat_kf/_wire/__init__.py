"""
The wire as values: requests built to bytes and replies read from bytes, by pure functions.

It imports nothing above the ground floor, and does no IO.
"""
