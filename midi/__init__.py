"""Makes phrases (monophonic note lists): generated from a seed, or cut out of MIDI files."""
