"""
Connections, the pool, and HTTP clients given by the caller.
"""
