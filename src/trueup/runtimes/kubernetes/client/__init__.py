"""A thin client of our own for API servers: how one gets in, requests, discovery, list and watch."""
