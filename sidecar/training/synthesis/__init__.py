"""Writes dialogues with labelled personal data: no real person is in them."""
