"""Codecs: what an activation or a gradient becomes in its message, in bytes and in computing."""
