"""The tests: unit (pure rules), integration (real parts), e2e (the whole, over sockets)."""
