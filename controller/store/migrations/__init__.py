"""The way from each schema to the next. Migrations say what they do and import no table."""
