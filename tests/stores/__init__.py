"""
What workers share.
"""
