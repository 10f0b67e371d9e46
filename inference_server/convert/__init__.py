"""Results of other systems as takes: read without trust, recognised by what is in them, put on the ground."""

from .convert import convert

__all__ = ["convert"]
