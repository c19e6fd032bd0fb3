"""The bandwidths that NCCL and RCCL plan with, in GB/s per direction; what a file's attributes mean to them."""

from __future__ import annotations

LOCAL_GBps = 5000.0  # what NCCL takes for a connection that never limits

_PER_LANE = {2.5: 15, 5: 30, 8: 60, 16: 120, 32: 240, 64: 480}  # GT/s: units of 1/80 GB/s


def pcie_GBps(speed: str, width: str) -> float:
    """A PCIe link such as '16.0 GT/s PCIe', '16'; without a speed generation 3, without a width 16 lanes."""
    gigatransfers = _number(speed.split(" ")[0])
    lanes = int(_number(width) or 16)
    return lanes * _PER_LANE.get(gigatransfers or 8, 60) / 80


def nvlink_GBps(sm: str) -> float | None:
    """One NVLink of a GPU of this compute capability, None where it does not say."""
    capability = _number(sm)
    if capability is None:
        return None
    for least, bandwidth in ((100, 40.1), (90, 20.6), (87, 20.0), (86, 12.0), (70, 20.0), (60, 18.0)):
        if capability >= least:
            return bandwidth
    return None


def xgmi_GBps(gcn: str) -> float | None:
    """One xGMI link of an AMD GPU of this architecture, None for others."""
    name = gcn.removeprefix("gfx")
    if name in ("906", "908"):
        return 24.0
    if name in ("910", "90a"):
        return 36.0
    return 48.0 if name.startswith("94") else None


def socket_GBps(arch: str, vendor: str, family: str, model: str) -> float | None:
    """What a processor sends to another of its host, None for an unknown one."""
    if arch == "arm64":
        return 6.0
    if arch == "ppc64":
        return 32.0
    if vendor == "AuthenticAMD":
        return 16.0
    number = _number(model)
    if vendor == "GenuineIntel" and _number(family) == 6 and number is not None:
        # Models from Emerald Rapids, Sapphire Rapids, Skylake on; Broadwell and before.
        return next(rate for least, rate in ((0xCF, 40.0), (0x8F, 22.0), (0x55, 10.0), (0, 6.0)) if number >= least)
    return None


def net_GBps(speed: str) -> float:
    """A network port of so many Mb/s; without a speed 10 Gb/s."""
    megabits = _number(speed) or 0
    return (megabits if megabits > 0 else 10_000) / 8000


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e12 else None
