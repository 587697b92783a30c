"""
Where workers keep what they share: a folder or module for each engine, imported by its own name.

Nothing here is imported unless it is asked for.
"""
