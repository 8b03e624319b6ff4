import subprocess
import sys
import threading
import time

from kafka import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from run import case, records, until

SESSION_TIMEOUT_S = 6


class Member(ConsumerRebalanceListener):
    """A member of a group that consumes in a thread and remembers what happened to it."""

    def __init__(self, run, group, topic, **options):
        self.owned = set()
        # Rebalances that gave it partitions.
        self.given = 0
        self.messages = []
        options = {"session_timeout_ms": 45_000, "auto_offset_reset": "earliest", **options}
        self.consumer = run.consumer(group_id=group, heartbeat_interval_ms=1000, **options)
        self.consumer.subscribe([topic], listener=self)
        self.leaving = threading.Event()
        self.thread = threading.Thread(target=self.consume, daemon=True)
        self.thread.start()
        run.stack.callback(self.leave)

    def consume(self):
        while not self.leaving.is_set():
            for messages in self.consumer.poll(timeout_ms=100).values():
                self.messages.extend(messages)

    def leave(self):
        self.leaving.set()
        self.thread.join()
        self.consumer.close()

    def on_partitions_revoked(self, revoked):
        self.owned = self.owned - {partition.partition for partition in revoked}

    def on_partitions_assigned(self, assigned):
        self.given += bool(assigned)
        self.owned = self.owned | {partition.partition for partition in assigned}


def share(total, counts, *members):
    """Waits until the members own so many partitions each, and all of them together."""

    def is_so():
        owned = [member.owned for member in members]
        return sorted(map(len, owned)) == counts and len(set().union(*owned)) == total

    until(f"{counts} partitions", is_so)


def receive(sent, *members):
    """Waits until every record came to one of the members."""

    def is_so():
        where = {m.key: m.partition for member in members for m in list(member.messages)}
        return all(where.get(record.key) == record.partition for record in sent)

    until("every record at a member", is_so)


@case
def group_one_member(run):
    topic = run.topic("one-member", 3)
    sent = records(3, 0, 300)
    run.produce(topic, sent)
    member = Member(run, f"{run.prefix}-one-member", topic)
    share(3, [3], member)
    receive(sent, member)


@case
def group_join_leave(run):
    topic, group = run.topic("join-leave", 4), f"{run.prefix}-join-leave"
    first = Member(run, group, topic)
    share(4, [4], first)
    second = Member(run, group, topic)
    share(4, [2, 2], first, second)
    sent = records(4, 0, 80)
    run.produce(topic, sent[:40])
    receive(sent[:40], first, second)

    second.leave()
    left = time.monotonic()
    share(4, [4], first)
    # Far less than the session timeout.
    assert time.monotonic() - left < 20, "it took over late"
    run.produce(topic, sent[40:])
    receive(sent[40:], first)


@case
def member_process(run):
    """The member that dies is a process of its own: this program once more."""
    member = join_mortal(run)
    share(2, [2], member)
    print("I have partitions", flush=True)
    threading.Event().wait()


def join_mortal(run):
    name = f"{run.prefix}-member-death"
    return Member(run, name, name, session_timeout_ms=SESSION_TIMEOUT_S * 1000)


@case
def group_member_death(run):
    topic = run.topic("member-death", 4)
    survivor = join_mortal(run)
    share(4, [4], survivor)

    program = [sys.executable, sys.argv[0], run.bootstrap, run.prefix, "member-process"]
    victim = subprocess.Popen(program, stdout=subprocess.PIPE)
    try:
        until("the victim's partitions", lambda: b"I have" in victim.stdout.readline())
        share(2, [2], survivor)
    finally:
        victim.kill()
    victim.wait()
    died = time.monotonic()
    share(4, [4], survivor)
    # Its last heartbeat was up to 1 s before its death.
    after = time.monotonic() - died
    assert after > SESSION_TIMEOUT_S - 2, f"declared dead after {after:.1f} s already"
    sent = records(4, 0, 40)
    run.produce(topic, sent)
    receive(sent, survivor)


@case
def group_cooperative(run):
    topic, group = run.topic("cooperative", 4), f"{run.prefix}-cooperative"
    options = {"partition_assignment_strategy": [CooperativeStickyAssignor]}
    first = Member(run, group, topic, **options)
    share(4, [4], first)
    before = first.owned
    second = Member(run, group, topic, **options)
    share(4, [2, 2], first, second)

    # What it kept, it never gave away in between.
    assert first.given == 1, f"given partitions {first.given} times"
    assert first.owned < before, f"{before} became {first.owned}"
    sent = records(4, 0, 40)
    run.produce(topic, sent)
    receive(sent, first, second)


@case
def group_static_member(run):
    topic, group = run.topic("static", 4), f"{run.prefix}-static"
    first = Member(run, group, topic, group_instance_id="first")
    second = Member(run, group, topic, group_instance_id="second")
    share(4, [2, 2], first, second)
    given, before = first.given, second.owned

    second.leave()
    second = Member(run, group, topic, group_instance_id="second")
    until("its partitions again", lambda: second.owned == before)
    sent = records(4, 0, 40)
    run.produce(topic, sent)
    receive(sent, first, second)
    assert first.given == given, "its restart moved partitions of the other one"


@case
def group_spare_member(run):
    topic, group = run.topic("spare", 2), f"{run.prefix}-spare"
    members = [Member(run, group, topic) for _ in range(3)]
    share(2, [0, 1, 1], *members)

    busy = next(member for member in members if member.owned)
    busy.leave()
    members.remove(busy)
    share(2, [1, 1], *members)
    sent = records(2, 0, 20)
    run.produce(topic, sent)
    receive(sent, *members)
