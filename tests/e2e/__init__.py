"""End-to-end tests: the whole stack over sockets, the page in a browser, and the commands of the documentation."""
