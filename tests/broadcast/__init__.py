"""
Sending to many.
"""
