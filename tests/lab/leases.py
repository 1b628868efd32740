# SPDX-License-Identifier: LGPL-2.1-or-later
"""Leases of sanlock in a lab: what ferryd.conf says, and whom a guest's lease names."""
import re


def rows(lab, number):
    """Of the host with that number, on which sanlock runs."""
    folder = lab.shared / "leases"
    folder.mkdir(exist_ok=True)
    return {"lock_manager": "sanlock", "lease_dir": str(folder), "lease_host_id": str(number), "lease_io_timeout": "1"}


def named(lab, uuid):
    """The numbers of the hosts that may run the guest."""
    path = lab.shared / "leases" / f"{uuid}.lease"
    text = re.search(rb"ferry 1 epoch=\d+ attempt=\S* hosts=([^\0]*)", path.read_bytes()) if path.exists() else None
    return [int(one.split(b"/")[0]) for one in text[1].split(b",") if one] if text else []
