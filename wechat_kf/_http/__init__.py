"""
All that knows httpx and sockets: the connection pool, its connections, and HTTP clients given by the caller.

A request value goes in, a status and bytes come out.
"""
