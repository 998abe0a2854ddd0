"""Makers of the fixtures that Schliff's numerics are compared with, one module a subject."""
