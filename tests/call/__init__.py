"""
One call: attempts, hosts, tokens, and what failures mean.
"""
