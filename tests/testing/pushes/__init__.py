"""
The stand-in's pushes.
"""
