"""Hubs and sites, and who may serve which. Pure."""
