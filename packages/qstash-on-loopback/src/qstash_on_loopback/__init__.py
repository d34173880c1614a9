"""An open QStash for one machine: publishes, signs, delivers, retries."""
