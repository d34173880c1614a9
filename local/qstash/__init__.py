"""A local QStash: publishes, signs, delivers, retries. Start it with ``python -m local.qstash``."""
