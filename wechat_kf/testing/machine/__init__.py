"""
The stand-in's rules: what WeChat accepts, refuses and remembers, as a state machine.

It does no IO and has no clock: each request brings its own time.
"""
