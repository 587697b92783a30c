"""
Text as WeChat takes it.
"""
