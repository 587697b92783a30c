"""
Receiving, without IO.
"""
