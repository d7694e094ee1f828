"""Drones that speak MAVLink, ArduPilot first: a VehicleAdapter for one or many links.

Layers, lowest first: messages and wire (bytes <-> messages) < link (UDP, TCP) < command,
mission_transfer, parameters (sans-IO protocols) < state, flight (what messages mean) < session
(one vehicle) < fleet. Only this package imports pymavlink.
"""
