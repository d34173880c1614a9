"""Unit tests: pure rules and guards over the code, without sockets."""
