"""Opens synths and their presets, hosts them in child processes, and renders tone sets.

Importing this package does not import DawDreamer; only the host's child process does.
"""
