"""What a recurrent network is, every number resolved."""
