"""
All that knows httpx and sockets: the connection pool, its connections, and HTTP clients given by the caller.

A request goes in as a value, a response comes out.
"""
