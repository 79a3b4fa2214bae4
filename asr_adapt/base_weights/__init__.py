"""Base models: found in packages, folders or on the hub, checked, and converted once."""
