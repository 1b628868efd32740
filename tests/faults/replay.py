# SPDX-License-Identifier: LGPL-2.1-or-later
"""An attempt led by hand, and everything that was or could have been said in it, said once more later on."""
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import sys
import uuid

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "live")]

from test_owner import LIVE, PERSIST, UNDEFINE, Failed, Leader, wire

FERRY_PROGRAM = 0x46657272
PATIENCE_S = 0.3        # a call that waits for what stands still
WORDS = {"S": {2: "GO", 3: "KEPT", 4: "GONE", 5: "CRASHED"}, "D": {7: "TAKEN", 8: "REFUSED", 9: "LOST"}}
LOADED, CANNOT, DROP, OVER = 1, 2, 4, 16
FLAGS = {"S": (0, DROP, OVER), "D": (LOADED, CANNOT, OVER)}


class OldAttempt:
    """Migrates the guest from the first host to the second."""

    def __init__(self, place, guest):
        self.place = place
        self.leader = Leader(place, guest.name, LIVE | PERSIST | UNDEFINE)
        self.cookies = []
        leader = self.leader
        for phase in (leader.begin, leader.prepare, leader.perform, leader.finish, leader.confirm):
            phase()
            self.cookies.append(leader.cookie)
        leader.vanish()
        host = place.hosts[0]
        folder = pathlib.Path(f"/proc/{host.pid}/root/var/lib/ferry/migrations")
        self.journal = max((json.loads(path.read_text()) for path in folder.glob("*.json")), key=lambda one: one["epoch"])

    def word(self, side, word, flags):
        """Sealed, as migrate/told.h has it."""
        token = bytes.fromhex(self.journal["token"])
        text = (b"FERRYTL1" + bytes.fromhex(self.journal["id"]) + uuid.UUID(self.journal["uuid"]).bytes +
                int(self.journal["epoch"]).to_bytes(8, "big") + side.encode() + bytes([word, flags, 0]) + os.urandom(16) + bytes(2))
        key = hmac.digest(token, b"ferry word key", hashlib.sha256)
        return text + hmac.digest(key, text, hashlib.sha256)

    def connect(self, host):
        return wire.Wire(path=host.folder / "run/ferry/ferry-sock", timeout_s=PATIENCE_S)

    def say_again(self):
        """All of it, to both hosts, by somebody who has listened."""
        for host in self.place.hosts:
            for phase, number, words in (("prepare", 0, {}), ("finish", 2, {"cancelled": 0}), ("finish", 2, {"cancelled": 1}),
                                         ("confirm", 3, {"cancelled": 0}), ("confirm", 3, {"cancelled": 1})):
                with contextlib.suppress(OSError, Failed, wire.Closed), self.connect(host) as self.leader.one:
                    self.leader.two = self.leader.one
                    self.leader.cookie = self.cookies[number]
                    getattr(self.leader, phase)(**words)
            with contextlib.suppress(OSError, wire.Closed), self.connect(host) as connection:
                for side, words in WORDS.items():
                    for word in words:
                        for flags in FLAGS[side]:
                            connection.call(8, wire.text(self.word(side, word, flags)), program=FERRY_PROGRAM)
