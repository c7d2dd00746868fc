"""What the gateway costs: CPU, memory and lateness, beside an empty Flask view and other gateways."""
