"""The HTTP interface: parcels, vehicles, zones, alarms, the event log and the live stream.

Must not decide anything: it checks form, asks `controller.delivery.desk`, and tells the answer.
"""
