"""Cloudflare R2, or any other store with the S3 API."""
