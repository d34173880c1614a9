"""The tests: unit (pure rules), integration (real components), e2e (the whole system, over sockets)."""
