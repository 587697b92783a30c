"""
The ways into the stand-in.
"""
