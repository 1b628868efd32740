# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cells of `make faults`: at which point of which course what goes wrong, and which cells cannot differ.  How each may end: ends.py.

Pure.  A point is a step of a step table or a row of the owner's tables, as `ferryd --list-steps` prints it.  A course is what
leads there: an ordinary migration, or one to which something has happened already; which points a course passes is seen
once for each build (the survey).  So a row that is added to a table is tried as soon as some course leads to it.
"""
from dataclasses import dataclass, replace

MODES = {
    "virsh": "direct, virsh leads",
    "ferry": "direct, ferry leads",
    "p2p": "peer-to-peer",
    "tunnelled": "peer-to-peer, tunnelled",
    "postcopy": "direct, virsh leads, switched to postcopy as soon as memory moves",
    "leased": "direct, virsh leads, the guest has a lease of sanlock",
}
LED_BY_DAEMON = ("p2p", "tunnelled")
# What is not tried here, and where it is.
ELSEWHERE = (
    "TOLD, and what leads there: a stock source alone takes it there: test_settle_faults.py kills the daemon where it answers that, and "
    "`make faults-stock` lets everything else go wrong beside two stock hosts",
    "the rows of an offline migration: no QEMU and no memory can be lost, so that only what is said and written decides: test_offline_faults.py kills a "
    "daemon at each row that a peer-to-peer one passes, tests/live/test_offline.py the link and the client, tests/model all of it",
    "a copy of the disks: it is not there yet",
)

FAULTS = {
    "fail": "the step fails, or the row's word cannot be written",
    "kill-this": "this daemon is killed",
    "kill-other": "the other daemon is killed",
    "kill-daemons": "both daemons are killed",
    "kill-here": "this daemon and this host's QEMU are killed",
    "kill-source": "the source's QEMU is killed",
    "kill-destination": "the destination's QEMU is killed",
    "stop": "this daemon is stopped for longer than a connection lives, then goes on",
    "cut": "the link falls silent for good",
    "blink": "the link breaks with all its connections, and is back in a moment",
    "return-path": "the way back is cut once the destination has loaded",
    "lane": "the lane is not read in the last phase; the user gives up",
    "client": "the client is killed",
    "ctrl-c": "the user gives up",
    "disk-full": "the disk with the state is full",
    "lock": "an image's lock is held by another for a while",
    "replay": "messages of an older attempt come once more",
    "reboot-this": "this host loses its power and starts again",
    "reboot-other": "the other host does",
}
SELF = ("fail", "kill-this", "kill-here")            # the daemon does it to itself, at the very point
ONCE = ("return-path", "lane")          # belong to a moment of the stream, not to a point

# What leads to rows that an ordinary migration does not pass: one strike before.
COURSES = {
    "plain": None,
    "abort": ("perform/memory", "before", "ctrl-c"),
    "abort-loaded": ("perform/go", "before", "ctrl-c"),
    "source-restarts": ("perform/connect", "before", "kill-this"),
    "source-restarts-loaded": ("source/OFFERED.S-go", "before", "kill-this"),
    "source-restarts-go": ("source/OFFERED.S-go", "after", "kill-this"),
    "destination-restarts": ("perform/connect", "before", "kill-other"),
    "destination-restarts-loaded": ("destination/PREPARED.D-take", "before", "kill-this"),
    "destination-restarts-taken": ("destination/PREPARED.D-take", "after", "kill-this"),
    "guest-dies-there": ("perform/start", "before", "kill-destination"),
    "guest-dies-there-loaded": ("destination/PREPARED.D-take", "before", "kill-destination"),
    "guest-dies-there-taken": ("destination/PREPARED.D-take.actions", "before", "kill-destination"),
    "guest-dies-here": ("perform/start", "before", "kill-source"),
    "guest-dies-here-loaded": ("perform/go", "before", "kill-source"),
    "guest-dies-here-go": ("source/OFFERED.S-go", "after", "kill-source"),
    "link-blinks-go": ("source/OFFERED.S-go", "after", "blink"),
    "link-blinks-taken": ("destination/TAKEN.D-define", "after", "blink"),
    "source-reboots": ("perform/go", "before", "reboot-this"),
    "source-reboots-go": ("source/OFFERED.S-go", "after", "reboot-this"),
    "destination-reboots": ("perform/go", "before", "reboot-other"),
    "destination-reboots-loaded": ("destination/PREPARED.D-take", "before", "reboot-this"),
    "destination-reboots-taken": ("destination/PREPARED.D-take", "after", "reboot-this"),
    "locked": ("destination/PREPARED.D-take", "before", "lock"),
    "abort-early": ("perform/start", "before", "ctrl-c"),
    "abort-go": ("destination/PREPARED.D-take", "before", "ctrl-c"),
    "abort-restarts": ("source/OFFERED.S-abort", "after", "kill-this"),
    "abort-loaded-restarts": ("source/OFFERED.S-abort", "after", "kill-this"),
    "source-restarts-gone": ("source/GO.S-gone", "after", "kill-this"),
    "disk-stands": ("perform/go", "before", "slow-disk"),
    "source-reboots-said": ("destination/PREPARED.D-take", "before", "reboot-other"),
    "guest-dies-on-both": ("perform/go", "before", "kill-qemus"),
    "guest-dies-on-both-go": ("destination/PREPARED.D-take", "before", "kill-destination"),
}
# In postcopy there are others, for its own rows: each side has half of the guest.
POSTCOPY_COURSES = {
    "half-abort": ("perform/go", "before", "ctrl-c"),
    "half-breaks-abort": ("perform/go", "before", "break-abort"),
    "half-dies-there": ("perform/go", "before", "kill-destination"),
    "half-dies-there-go": ("destination/PREPARED.D-take", "before", "kill-destination"),
    "half-dies-there-gone": ("source/GO.S-gone.2.actions", "before", "kill-destination"),
    "half-dies-here-taken": ("destination/TAKEN.D-define.3.actions", "before", "kill-source"),
    "half-restarts-gone": ("source/GO.S-gone.2.actions", "before", "kill-this"),
    "half-restarts-kept": ("source/OFFERED.S-abort.3", "after", "kill-this"),
    "half-restarts-refused": ("destination/PREPARED.D-refuse.2.actions", "before", "kill-this"),
    "half-breaks-dies-there": ("source/OFFERED.S-abort.3", "after", "kill-destination"),
}
COURSES |= POSTCOPY_COURSES
SWITCH = ("perform/setup", "before", "switch")      # what comes first of all in postcopy
# What comes before even that, where one strike does not lead there.
COURSE_OF = {
    "abort-restarts": "abort-early",
    "abort-loaded-restarts": "abort-loaded",
    "source-reboots-said": "disk-stands",
    "guest-dies-on-both-go": "guest-dies-here-go",
    "half-restarts-kept": "half-breaks-abort",
    "half-restarts-refused": "half-abort",
    "half-breaks-dies-there": "half-breaks-abort",
}
WAYPOINTS = ("disk-stands",)        # part of other courses; by itself it leads nowhere
# On others they are passed only sometimes, or in some modes.
SURELY = {
    "destination/PREPARED.D-died": "guest-dies-there",          # an abort ends QEMU's stream, and either side may be the first to say so,
    "destination/PREPARED.D-refuse": "abort-loaded",            # unless all of it has come
    "source/KEPT.S-recover": "half-restarts-kept",              # else its destination may have ended before anybody looks
    "source/GO.S-refused": "guest-dies-there-loaded",           # a daemon that was restarted refuses only what it carried
    "source/GO.S-refused.2": "guest-dies-on-both-go",           # of two that die LOADED may have been heard between the two
}
ON_COURSES_ONLY = {
    "kill-qemus": "both QEMUs are killed",
    "slow-disk": "nothing becomes durable any more until the power goes",
    "switch": "the user wants it switched to postcopy",
    "break-abort": "the link breaks, the user gives up, and it is back",
}

# The time constants: what waits for a connection's end would take long with the real ones, so one row is tried with them.
SHORT, REAL = "", "real"
REAL_ROW = "source/OFFERED.S-go"

# Rows of halves: the others know of none.
POSTCOPY_ROWS = (
    "source/OFFERED.S-go.2",
    "source/OFFERED.S-abort.2",
    "source/OFFERED.S-abort.3",
    "source/GO.S-gone.2",
    "source/GO.S-refused.3",
    "source/GO.S-refused.4",
    "source/KEPT.S-resume.2",
    "source/KEPT.S-stuck",
    "source/KEPT.S-recover",
    "source/GONE.S-kill.2",
    "source/GONE.S-undefine",
    "destination/PREPARED.D-refuse.2",
    "destination/PREPARED.D-timer.2",
    "destination/TAKEN.D-doomed",
    "destination/TAKEN.D-define.3",
    "destination/REFUSED.D-kill.2",
    "destination/REFUSED.D-keep",
)

# Points to which none leads, and why none can.
UNREACHED = (
    ("source/OFFERED.S-dead.actions", "its QEMU has ended, and there is nothing left to end"),
    ("source/OFFERED.S-run", "nobody asks the table as long as nothing has happened"),
    ("source/OFFERED.S-watch", "the same"),
    ("destination/PREPARED.D-loaded", "the same: the other side is asked at once"),
    ("destination/PREPARED.D-wait", "the same"),
    ("source/KEPT.S-run", "KEPT is asked again after a restart only, and by then it is no longer open once its QEMU has ended"),
    ("destination/LOST.D-kill", "whoever lost it has no QEMU left"),
    ("source/GONE.S-forced", "only a person says so: tests/live/test_owner.py"),
    ("destination/PREPARED.D-tell", "with a stock source only, as all of TOLD: test_settle_faults.py"),
    ("destination/TOLD.", "with a stock source only: test_settle_faults.py, tests/live/test_careful.py"),
    ("destination/TAKEN.D-refuse", "the lock would have to last until the source has taken its guest back: tests/live/test_locks.py"),
    ("source/GO.S-refused.4", "QEMU sees a broken stream at its next burst only, after the refusal: sometimes in half-dies-there-go"),
    ("destination/PREPARED.D-timer.2", "a QEMU whose stream ends before it could run ends itself, long before"),
    ("destination/PREPARED.D-timer", "a source that is back in time says DROP or goes on: only a host that stays away, tests/live/test_vanishing.py"),
)


def courses(mode):
    """What is surveyed in a mode."""
    if mode == "leased":
        return ["plain"]
    return [course for course in COURSES
            if course == "plain" or (course in POSTCOPY_COURSES) == (mode == "postcopy") and course not in WAYPOINTS]


def is_chancy(point, course, courses_passed):
    """Another course leads there for certain."""
    surely = SURELY.get(point.removesuffix(".actions"), course)
    return course != surely and point in courses_passed.get(surely, ())


def course_strikes(course):
    return course_strikes(COURSE_OF.get(course, "plain")) + [COURSES[course]] if COURSES[course] else []


@dataclass(frozen=True)
class Cell:
    mode: str
    course: str
    point: str
    place: str      # before or after
    fault: str
    times: str = SHORT

    @property
    def id(self):
        return ":".join(filter(None, (self.mode, self.course, self.point, self.place, self.fault, self.times)))

    @property
    def strikes(self):
        """[(point, place, fault)] in the order in which they come."""
        first = [SWITCH] if self.mode == "postcopy" else []
        return list(dict.fromkeys(first + course_strikes(self.course) + [(self.point, self.place, self.fault)]))


def parse(text):
    return Cell(*text.split(":"))


def is_row(point):
    return point.startswith(("source/", "destination/"))


def is_at_source(point):
    return point.startswith(("source/", "begin/", "p2p/", "perform/"))


def places(point, points):
    """After a step comes the next step's before, after a row's word the before of its actions: only the last has an after."""
    if is_row(point):
        return ("before",) if f"{point}.actions" in points else ("before", "after")
    phase = point.split("/")[0]
    own = [other for other in points if other.startswith(f"{phase}/")]
    return ("before", "after") if own and own[-1] == point else ("before",)


def all_cells(points, survey):
    """points: what the daemon lists; survey: {mode: {course: [points passed]}}.  Each row is tried on the first course that
    leads to it, each step on the ordinary one."""
    cells = []
    for mode in MODES:
        seen = set()
        for course in courses(mode):
            passed = [point for point in survey.get(mode, {}).get(course, ())
                      if point in points and point not in seen and not is_chancy(point, course, survey[mode])]
            seen.update(passed)
            for point in passed:
                if course != "plain" and not is_row(point) or point.startswith("p2p/") and mode not in LED_BY_DAEMON:
                    continue
                cells += [Cell(mode, course, point, place, fault) for place in places(point, points) for fault in FAULTS]
    return cells


def unreached(points, survey):
    """[(point, why)]; "" if nobody knows."""
    passed = {point for courses in survey.values() for own in courses.values() for point in own}
    return [(point, next((why for text, why in UNREACHED if point.startswith(text)), "")) for point in points if point not in passed]


# ---- merging: a rule says what stands for the cell, or None; "" if nothing would happen ----

LOADED, GIVEN = "perform/go", "destination/PREPARED.D-take"


WRITES_NOTHING = ("source/GONE.S-kill", "source/CRASHED.S-kill", "source/KEPT.S-cancel", "source/KEPT.S-resume")


def merge_self(cell, points):
    if cell.fault == "fail" and (cell.point.endswith(".actions") or cell.place == "after" or cell.point.startswith(WRITES_NOTHING)):
        return ""
    return None


AT_ONCE = ("source/OFFERED.S-dead",)     # its word is written where the end of QEMU is reported, on the loop itself


def merge_at_once(cell, points):
    return "" if cell.point in AT_ONCE and cell.fault not in SELF else None


BEFORE_PREPARE = ("p2p/connect", "p2p/capabilities", "p2p/prepare")


def merge_p2p(cell, points):
    """What stands between two steps of one table stands between the steps of another as well."""
    if cell.fault == "fail" or cell.course != "plain":
        return None
    if cell.point == "p2p/perform":
        return Cell(cell.mode, "plain", "perform/lease", "before", cell.fault)
    if cell.point == "p2p/connect":
        return Cell(cell.mode, "plain", "begin/record", "after", cell.fault)
    if cell.point == "p2p/capabilities":
        return Cell(cell.mode, "plain", "p2p/prepare", "before", cell.fault)
    return None


def merge_once(cell, points):
    if cell.fault not in ONCE:
        return None
    if cell.mode == "tunnelled" and cell.fault == "return-path":
        return ""
    wanted = Cell(cell.mode, "plain", "perform/start", "before", cell.fault)
    return None if cell == wanted else wanted


def merge_nobody_yet(cell, points):
    if cell.course == "plain" and cell.point.startswith("begin/") and (cell.point, cell.place) != ("begin/record", "after") and \
            cell.fault in ("kill-other", "cut", "blink", "reboot-other", "replay", "lock"):
        return Cell(cell.mode, cell.course, "begin/record", "after", cell.fault)
    return None


def merge_no_qemu(cell, points):
    if cell.course == "plain" and cell.fault == "kill-destination" and \
            (cell.point.startswith(("begin/", "prepare/")) or cell.point in ("arrive/guest", *BEFORE_PREPARE)):
        return ""
    return None


def merge_source_qemu(cell, points):
    if cell.course == "plain" and cell.fault == "kill-source" and cell.point in BEFORE_PREPARE:
        return Cell(cell.mode, cell.course, "begin/job", "before", cell.fault)
    if cell.course == "plain" and cell.fault == "kill-source" and cell.point.startswith(("begin/", "prepare/", "arrive/")) and \
            cell.point not in ("begin/job", "prepare/job", "arrive/capabilities"):
        return Cell(cell.mode, cell.course, {"begin": "begin/job", "prepare": "prepare/job", "arrive": "arrive/capabilities"}
                    [cell.point.split("/")[0]], "before", cell.fault)
    return None


def merge_lock(cell, points):
    if cell.fault == "lock" and cell.course == "plain" and cell.point != GIVEN:
        return Cell(cell.mode, "plain", GIVEN, "before", "lock")
    return None


def merge_disk(cell, points):
    """Where nothing is written but the journal of steps, which nobody relies on."""
    if cell.fault == "disk-full" and cell.course == "plain" and not is_row(cell.point) and \
            cell.point not in ("begin/job", "begin/record", "prepare/check", "prepare/record", "perform/go", "p2p/confirm"):
        return Cell(cell.mode, "plain", "perform/go" if cell.point.startswith(("perform/", "p2p/")) else "begin/job" if
                    cell.point.startswith("begin/") else "prepare/check", "before", cell.fault)
    return None


def merge_replay(cell, points):
    if cell.fault == "replay" and not is_row(cell.point) and cell.course == "plain" and \
            (cell.point, cell.place) not in (("begin/record", "after"), ("perform/start", "before"), ("perform/go", "before")):
        return Cell(cell.mode, "plain", "perform/start", "before", "replay")
    return None


def merge_client(cell, points):
    if cell.mode == "ferry" and cell.fault in ("stop", "lane", "return-path", "disk-full", "lock", "replay", "reboot-this", "reboot-other",
                                               "kill-source", "kill-destination", "kill-here"):
        return Cell("virsh", *cell.id.split(":")[1:])
    return None


def merge_ferry_cut(cell, points):
    if cell.mode == "ferry" and cell.fault == "cut" and (cell.course, cell.point) != ("plain", "source/OFFERED.S-go"):
        return Cell("virsh", *cell.id.split(":")[1:])
    return None


def merge_tunnelled(cell, points):
    if cell.mode == "tunnelled" and cell.course == "plain" and (cell.point.startswith("begin/") or cell.point in BEFORE_PREPARE):
        return Cell("p2p", *cell.id.split(":")[1:])
    return None


# Here a tunnel's destination may have refused by itself, so that the guest may have another image left.
ON_A_TUNNEL = ("source/OFFERED.S-go-dead", "source/GO.S-again")
KILLS_QEMU = ("kill-here", "kill-source", "kill-destination", "reboot-this", "reboot-other")


def merge_second(cell, points):
    """On a course that is not the ordinary one, a second fault comes before or after each row in one way to lead it."""
    if cell.course == "plain" or cell.mode not in ("ferry", "tunnelled") or \
            cell.mode == "tunnelled" and cell.point.removesuffix(".actions") in ON_A_TUNNEL and cell.fault in KILLS_QEMU:
        return None
    return Cell("virsh" if cell.mode == "ferry" else "p2p", *cell.id.split(":")[1:])


LETS_GO_ON = ("source/OFFERED.S-abort", "source/OFFERED.S-abort.2", "source/GO.S-refused", "source/GO.S-refused.3", "source/KEPT.S-resume",
              "source/KEPT.S-resume.2", "destination/TAKEN.D-cont")


def merge_second_lock(cell, points):
    return "" if cell.course != "plain" and cell.fault == "lock" and (cell.point, cell.place) not in [(row, "before") for row in LETS_GO_ON] else None


# Whoever changes a lease, or writes the word by which it is changed.
LEASE_POINTS = ("begin/lease", "prepare/lease", "perform/lease", "source/OFFERED.S-go", "source/GO.S-gone", "destination/PREPARED.D-take",
                "destination/TAKEN.D-define")
LEASE_FAULTS = ("fail", "kill-this", "kill-other", "kill-daemons", "kill-here", "kill-source", "kill-destination", "reboot-this", "reboot-other", "ctrl-c")


def merge_lease(cell, points):
    if cell.mode == "leased" and (cell.point.removesuffix(".actions") not in LEASE_POINTS or cell.fault not in LEASE_FAULTS):
        return Cell("virsh", *cell.id.split(":")[1:])
    return None


def is_switched(point):
    """What an ordinary migration in postcopy passes once QEMU may have switched."""
    return is_row(point) or point in ("perform/memory", "perform/go")


def merge_postcopy(cell, points):
    if cell.mode == "postcopy" and cell.course == "plain" and not is_switched(cell.point):
        return Cell("virsh", *cell.id.split(":")[1:])
    return None


def merge_postcopy_rows(cell, points):
    if cell.mode == "postcopy" and cell.course != "plain" and cell.point.removesuffix(".actions") not in POSTCOPY_ROWS:
        return ""
    return None


RULES = (
    (merge_lease, "A lease is changed at three steps and with a last word: what ends a daemon, a QEMU, a host or the migration is tried there with one, too."),
    (merge_self, "The actions of a row cannot fail by order, nor a row that writes no word; and what fails fails before it has done anything: nothing is tried."),
    (merge_at_once, "What the report of a death writes at once cannot be held: only what the daemon does to itself comes in there; the rest comes "
                    "before the death, or at the row that follows."),
    (merge_p2p, "Peer-to-peer the next step of one table is the first of another: what comes between the two is tried once."),
    (merge_once, "The way back and the last phase are moments of the stream, not points: one cell in each mode; a tunnel has no way back."),
    (merge_nobody_yet, "Before Prepare is sent there is no other side: all of Begin is tried at its end."),
    (merge_no_qemu, "Before the destination's QEMU is there it cannot be killed."),
    (merge_source_qemu, "Until memory moves the source's QEMU only runs: its death is tried once in Begin, once while the destination "
                        "prepares, once while its QEMU starts."),
    (merge_lock, "A lock counts at `cont`: it is taken just before the destination's."),
    (merge_disk, "Steps write nothing that anybody relies on but a record's first word and what is preallocated with it: a full disk is "
                 "tried at the begin of each phase, at both records and before GO."),
    (merge_replay, "A step does not listen: an older attempt's words come after Begin, before the memory, before GO and at each row."),
    (merge_client, "Between the same two daemons a client that only waits is a client: what befalls hosts, QEMUs and disks is tried with virsh."),
    (merge_ferry_cut, "ferry's patience with a silent link is half a minute, not to be configured: one cell, just after GO."),
    (merge_tunnelled, "Before Prepare nobody knows yet how the memory will travel: tunnelled is tried as peer-to-peer."),
    (merge_second, "A second fault meets the daemons between themselves: it is tried with virsh and peer-to-peer; in a tunnel what kills a QEMU is, too, "
                   "where its destination may have refused as its connection ended."),
    (merge_postcopy, "Before the switch a migration that allows it is an ordinary one: all that comes before the memory is tried with virsh."),
    (merge_postcopy_rows, "A second fault in postcopy meets the rows that are postcopy's own; the others know of no halves."),
    (merge_second_lock, "On other courses it counts where a row lets QEMU go on (`cont`) and is taken just before: nobody else opens the image."),
)


def real_row(mode):
    return f"{REAL_ROW}.2" if mode == "postcopy" else REAL_ROW


def merge(cell, points):
    """The cell that is run in its place (itself, if it is run); None: nothing is run."""
    while True:
        other = next((found for found in (rule(cell, points) for rule, _ in RULES) if found is not None), None)
        if other is None:
            return cell
        if other == "":
            return None
        cell = other


def is_led_astray(cell, survey):
    """It stands for a cell of another mode; in this one the course does not lead there, and another does, which is tried."""
    passed = survey.get(cell.mode, {})
    return cell.point not in passed.get(cell.course, ()) and any(cell.point in own for own in passed.values())


def cells_to_run(points, survey):
    """Also what stands for a cell of another mode, if no course of its own leads there; and one row of each mode once more."""
    merged = dict.fromkeys(merge(cell, points) for cell in all_cells(points, survey))
    chosen = [cell for cell in merged if cell and not is_led_astray(cell, survey)]
    return chosen + [replace(cell, times=REAL) for cell in chosen
                     if cell.course == "plain" and cell.mode != "leased" and cell.point.removesuffix(".actions") == real_row(cell.mode)]


# ---- the sample for the gate ----

ORDINARY = ("source/OFFERED.S-go", "source/GO.S-gone", "destination/PREPARED.D-take", "destination/TAKEN.D-define")
ORDINARY_POSTCOPY = ("source/OFFERED.S-go.2", "source/GO.S-gone.2", "source/GONE.S-kill", "destination/PREPARED.D-take",
                     "destination/TAKEN.D-define.3", "destination/TAKEN.D-define")
SLOW = ("cut", "stop")      # wait for a connection's end: at few points
SLOW_AT = ("perform/start", "source/OFFERED.S-go", "destination/PREPARED.D-take.actions")
MATTERS = ("begin/record", "prepare/record", "p2p/connect", "p2p/perform", "perform/start", "perform/memory", "perform/go")      # of the other steps every second cell
OWN_LABS = ("postcopy", "leased")       # none of the sample, or few: each needs another lab
POSTCOPY_SAMPLE = (         # few: each takes some seconds, as the memory must not be there too soon
    "source/OFFERED.S-go.2:after:kill-this",
    "source/OFFERED.S-go.2:after:client",
    "source/GO.S-gone.2.actions:after:kill-daemons",
    "source/GO.S-gone.2.actions:after:kill-source",
    "source/GO.S-gone.2.actions:after:stop",
)
OPEN = ()                   # ((what a cell's id matches, why it is not right yet), …)


def sample(points):
    """On the ordinary course each row with each fault once, and of the steps half as much or less, in one mode after the other: three minutes,
    and it may become four."""
    passed = [point for point in points if not is_row(point) or point.removesuffix(".actions") in ORDINARY]
    left = {}
    for cell in cells_to_run(points, {mode: {"plain": passed} for mode in MODES if mode not in OWN_LABS}):
        if cell.times == SHORT:     # the real ones are for the whole run: each change of them is another lab, and a pause takes forty seconds
            left.setdefault((cell.point, cell.place, cell.fault), []).append(cell)
    chosen = []
    for number, ((point, _, fault), own) in enumerate(left.items()):
        cell = own[number % len(own)]
        is_wanted = point in SLOW_AT if fault in SLOW else is_row(point) or point in MATTERS or number % (5 if point.startswith("p2p/") else 2) == 1
        if is_wanted and not any(text in cell.id for text, _ in OPEN):
            chosen.append(cell)
    return chosen + [parse(f"postcopy:plain:{text}") for text in POSTCOPY_SAMPLE]
