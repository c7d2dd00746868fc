"""A soak: mixed load for long through a provider that misbehaves, while workers are killed and the file is reloaded."""
