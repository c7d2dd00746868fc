"""gunicorn's workers, with what a gateway needs: errors in JSON, and a stop that does not wait for idle clients."""
