"""A DroneKit `Vehicle` as one of ours, for integrators who have one.

Owns the bridge between DroneKit's connection and `vehicles.mavlink`: DroneKit keeps the transport
and its threads; what is uploaded, read back, started and believed stays with `vehicles.mavlink`.
DroneKit's own `commands.upload()` returns without reading back, and its mode and arm setters
without the vehicle's word, so none of them is used. Must not import pymavlink.
"""
