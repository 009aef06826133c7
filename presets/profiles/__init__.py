"""The profiles of the synths, one YAML file each."""
