"""The hardware a run is meant for: setups (sensors, preparation), profiles (rates, unit energies), detection."""
