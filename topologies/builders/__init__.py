"""Builders of topologies from plain arguments.

Rates are in bytes per second and may be infinite; delays are one way, in seconds. A client is one
device. The members of a group have its name and a number, `raspberry-pi-4b-0`, `raspberry-pi-4b-1`,
which continues that of an earlier group of the same name. Relays, access points and edge nodes
forward; with a `Computer` they also compute.
"""
