"""Surface 2, over HTTP: how ``serve`` does, its figures, and the trigger that wakes it."""
