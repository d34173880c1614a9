"""Stand-ins for the cloud services, on one machine. The application never imports it."""
