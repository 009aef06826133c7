"""Networks of the codec, the model that holds them, and the signal processing they share."""
