"""
The ways into the stand-in: an ASGI app, a real socket, a transport in the same process, and its controls over HTTP.

None of them knows a rule of WeChat.
"""
