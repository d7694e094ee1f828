"""Monitors in flight and the alarms that stand."""
