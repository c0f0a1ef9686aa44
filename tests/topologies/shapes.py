"""Devices, a server and links that the tests of builders share."""

from cutlayer.topologies import AccessLink, DeviceProfile, Server

PI = DeviceProfile.from_speed("pi", 1e9)
NANO = DeviceProfile.from_speed("nano", 5e9)
SERVER = Server(DeviceProfile.from_speed("big", 1e12), slots=2)
FOUR_G = AccessLink(1.25e6, 3.125e6, 0.025)
WIRE = AccessLink(10e6, 20e6, 0.005)
