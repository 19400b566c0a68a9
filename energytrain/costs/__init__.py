"""What training costs in work and in energy: FLOPs and bytes by layer, the training bill, the energy model."""
