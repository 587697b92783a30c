"""
Several processes of one account, on a real Redis and real sockets.
"""
