"""
Requests and replies as values.
"""
