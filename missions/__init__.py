"""What a vehicle is to do, told for no vehicle in particular. Pure; imports geofence alone."""
