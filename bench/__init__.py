"""What the gateway costs: CPU per request and per stream, in empty Flask views and beside MLflow's gateway."""
