"""A vehicle in memory: the smallest adapter that keeps every rule of the port.

For controllers under test without sockets, and for integrators to read first.
"""
