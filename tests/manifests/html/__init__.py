"""Tests of manifests.html."""
