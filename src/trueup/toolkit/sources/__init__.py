"""What a render takes from outside of its repository: pinned, allowed by the operator, fetched here, and kept."""
