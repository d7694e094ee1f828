"""Talking to vehicles. Sockets to vehicles live here and nowhere else."""
