"""Shared test support: scripted providers, servers, fault injection, recordings and API callers."""
