"""What a spec of a recurrent network may say."""
