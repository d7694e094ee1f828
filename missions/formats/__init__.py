"""Mission files: QGroundControl .plan and .waypoints in and out, KML and GeoJSON out. Pure."""
