"""The dispatch controller: parcels in, missions out, every step shown."""
