"""
The bot.
"""
