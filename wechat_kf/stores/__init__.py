"""
Where workers share what they know: a module for each engine, imported by its own name.
"""
