"""
What workers share through Redis.
"""
