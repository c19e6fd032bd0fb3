"""What the silicon does: device profiles, devices that charge time, and the clocks.

profile = emulator.load_profile("c500")
device = emulator.Device(profile)
device.compute(flops=2e12, bytes=1e9, dtype="bfloat16")    # microseconds
"""

from __future__ import annotations

from .clock import Clock, Host, choose_dilation, measure_copy_GBps
from .device import Device
from .figures import FIGURES, Figure, Reading
from .profile import Profile, load_profile, profiles

__all__ = [
    "FIGURES",
    "Clock",
    "Device",
    "Figure",
    "Host",
    "Profile",
    "Reading",
    "choose_dilation",
    "load_profile",
    "measure_copy_GBps",
    "profiles",
]
