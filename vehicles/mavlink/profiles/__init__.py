"""What differs from autopilot to autopilot, as one value each.

Owns the choice of a profile by name. A profile holds what the rest asks of an autopilot: its
modes, what must hold of its parameters, and how a mission becomes its items. Must not send.
"""
