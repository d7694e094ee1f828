"""The words of the trade: parcels, sites, vehicles, assignments, custody. Pure."""
