"""
What customers, agents and the account's owner do in a test: the methods of the stand-in, cut by who does them.

Each turns into changes of the machine's state and into pushes; none speaks HTTP.
"""
