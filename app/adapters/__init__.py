"""One file for each outside service; vendor packages and their exceptions stop here."""
