"""Makes playable instruments out of recordings: SoundFont 2 and SFZ, with samples, loops and an envelope."""
