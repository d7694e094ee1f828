"""One owner per vehicle: its session, its command journal, its watchdogs."""
