"""Synths: their profiles, presets, the hosts that play them in child processes, and tone sets.

At import this package needs no DawDreamer; only the host's child process does.
"""
