"""
The public API as users write it, for type checkers; never run.

What is wrong on purpose says so to both checkers, and they complain when it is no longer found wrong.
"""
