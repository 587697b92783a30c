"""
Access tokens.
"""
