"""gunicorn's workers, as a gateway needs them: plain requests read at once, JSON errors, no wait for idle clients."""
