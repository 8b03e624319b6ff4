import asyncio
import sys

from aiokafka import ConsumerRebalanceListener

from run import Cannot, case, records, until

SESSION_TIMEOUT_S = 6


class Member(ConsumerRebalanceListener):
    """A member of a group that consumes in the background and remembers what happened to it."""

    def __init__(self):
        # Rebalances that gave it partitions.
        self.given = 0
        self.messages = []

    async def join(self, run, group, topic, **options):
        options = {"session_timeout_ms": 45_000, "auto_offset_reset": "earliest", **options}
        self.consumer = await run.consumer(
            group_id=group, heartbeat_interval_ms=1000, **options
        )
        self.consumer.subscribe([topic], listener=self)
        self.task = asyncio.create_task(self.consume())
        run.stack.push_async_callback(self.leave)
        return self

    async def consume(self):
        async for message in self.consumer:
            self.messages.append(message)

    async def leave(self):
        self.task.cancel()
        await self.consumer.stop()

    async def on_partitions_revoked(self, revoked):
        pass

    async def on_partitions_assigned(self, assigned):
        self.given += 1

    def partitions(self):
        return sorted(partition.partition for partition in self.consumer.assignment())


async def join(run, group, topic, **options):
    return await Member().join(run, group, topic, **options)


async def share(total, counts, *members):
    """Waits until the members own so many partitions each, and all of them together."""

    async def is_so():
        owned = [member.partitions() for member in members]
        return sorted(map(len, owned)) == counts and len(set().union(*owned)) == total

    await until(f"{counts} partitions", is_so)


async def receive(sent, *members):
    """Waits until every record came to one of the members."""

    async def is_so():
        where = {m.key: m.partition for member in members for m in member.messages}
        return all(where.get(record.key) == record.partition for record in sent)

    await until("every record at a member", is_so)


@case
async def group_one_member(run):
    topic = await run.topic("one-member", 3)
    sent = records(3, 0, 300)
    await run.produce(topic, sent)
    member = await join(run, f"{run.prefix}-one-member", topic)
    await share(3, [3], member)
    await receive(sent, member)


@case
async def group_join_leave(run):
    topic, group = await run.topic("join-leave", 4), f"{run.prefix}-join-leave"
    first = await join(run, group, topic)
    await share(4, [4], first)
    second = await join(run, group, topic)
    await share(4, [2, 2], first, second)
    sent = records(4, 0, 80)
    await run.produce(topic, sent[:40])
    await receive(sent[:40], first, second)

    await second.leave()
    # Far less than the session timeout.
    async with asyncio.timeout(20):
        await share(4, [4], first)
    await run.produce(topic, sent[40:])
    await receive(sent[40:], first)


@case
async def member_process(run):
    """The member that dies is a process of its own: this program once more."""
    member = await join_mortal(run)
    await share(2, [2], member)
    print("I have partitions", flush=True)
    await asyncio.Event().wait()


async def join_mortal(run):
    name = f"{run.prefix}-member-death"
    return await join(run, name, name, session_timeout_ms=SESSION_TIMEOUT_S * 1000)


@case
async def group_member_death(run):
    topic = await run.topic("member-death", 4)
    survivor = await join_mortal(run)
    await share(4, [4], survivor)

    victim = await asyncio.create_subprocess_exec(
        sys.executable, sys.argv[0], run.bootstrap, run.prefix, "member-process",
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert await victim.stdout.readline(), "the other member ended"
        await share(2, [2], survivor)
    finally:
        victim.kill()
    await victim.wait()
    loop = asyncio.get_running_loop()
    died = loop.time()
    await share(4, [4], survivor)
    # Its last heartbeat was up to 1 s before its death.
    after = loop.time() - died
    assert after > SESSION_TIMEOUT_S - 2, f"declared dead after {after:.1f} s already"
    sent = records(4, 0, 40)
    await run.produce(topic, sent)
    await receive(sent, survivor)


@case
async def group_cooperative(run):
    raise Cannot("aiokafka has only eager assignors")


@case
async def group_static_member(run):
    topic, group = await run.topic("static", 4), f"{run.prefix}-static"
    first = await join(run, group, topic, group_instance_id="first")
    second = await join(run, group, topic, group_instance_id="second")
    await share(4, [2, 2], first, second)
    given, before = first.given, second.partitions()

    await second.leave()
    second = await join(run, group, topic, group_instance_id="second")
    await share(4, [2, 2], first, second)
    assert second.partitions() == before, f"{before} became {second.partitions()}"
    sent = records(4, 0, 40)
    await run.produce(topic, sent)
    await receive(sent, first, second)
    assert first.given == given, "its restart moved partitions of the other one"


@case
async def group_spare_member(run):
    topic, group = await run.topic("spare", 2), f"{run.prefix}-spare"
    members = [await join(run, group, topic) for _ in range(3)]
    await share(2, [0, 1, 1], *members)

    busy = next(member for member in members if member.partitions())
    await busy.leave()
    members.remove(busy)
    await share(2, [1, 1], *members)
    sent = records(2, 0, 20)
    await run.produce(topic, sent)
    await receive(sent, *members)
