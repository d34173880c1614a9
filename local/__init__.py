"""What stands in for cloud services on one machine. Never imported by the application."""
