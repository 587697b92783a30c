"""
The stand-in's rules.
"""
