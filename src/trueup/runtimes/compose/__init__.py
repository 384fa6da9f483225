"""The Compose runtime: a Docker Engine, and the projects of Compose files on it."""
