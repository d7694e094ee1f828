"""The lab: what stands in for the world when no real vehicle is there.

Owns simulated vehicles, simulated time and the judge of what really happened.
Must import nothing of ``controller``, ``vehicles``, ``missions`` or ``geofence``: a lab
that shared code with the controller would share its mistakes.
"""
