"""
How fast the client is beside what people would use instead. Run it with ``nox -s bench``.
"""
