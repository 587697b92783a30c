"""
The stand-in's pushes: how they are sealed and delivered, and how the answers to them are read.

What customers and agents do becomes a push here.
"""
