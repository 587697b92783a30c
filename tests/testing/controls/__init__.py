"""
Tests of what customers, agents and the account's owner do.
"""
