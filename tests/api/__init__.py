"""
The chapters of the manual.
"""
