"""Zone files: each module reads and writes one format. Pure: text in, zones out."""
