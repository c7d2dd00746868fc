"""The built-in model: an upstream inside the process that speaks OpenAI's dialect, with no key and no network."""
