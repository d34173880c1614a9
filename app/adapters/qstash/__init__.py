"""QStash: verify what it delivers, publish what it is to deliver."""
