"""Local stand-ins for the cloud services. The application never imports this package."""
