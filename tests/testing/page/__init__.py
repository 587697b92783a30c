"""
Tests of the page.
"""
