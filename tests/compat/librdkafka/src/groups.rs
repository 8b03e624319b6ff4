//! Consumer groups.

use std::{
    env, io,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context;
use rdkafka::{
    ClientContext, Message, Offset,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance},
};

use crate::client::{CALL, Client, equal};

const COOPERATIVE: &[(&str, &str)] = &[("partition.assignment.strategy", "cooperative-sticky")];

/// Counts the partitions that a member had to give back.
#[derive(Default)]
struct Revoked(AtomicUsize);

impl ClientContext for Revoked {}

impl ConsumerContext for Revoked {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            self.0.fetch_add(partitions.count(), Ordering::Relaxed);
        }
    }
}

/// A member of the group of the case.
struct Member(BaseConsumer<Revoked>);

impl Member {
    fn join(client: &Client, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let config = client.consumer_config(settings);
        let consumer: BaseConsumer<_> = config.create_with_context(Revoked::default())?;
        consumer.subscribe(&[&client.name])?;
        Ok(Self(consumer))
    }

    fn partitions(&self) -> anyhow::Result<Vec<i32>> {
        let assignment = self.0.assignment()?;
        let mut partitions: Vec<_> = assignment
            .elements()
            .iter()
            .map(rdkafka::topic_partition_list::TopicPartitionListElem::partition)
            .collect();
        partitions.sort_unstable();
        Ok(partitions)
    }

    fn revoked(&self) -> usize {
        self.0.context().0.load(Ordering::Relaxed)
    }
}

/// Polls all members until their partitions are as wished.
fn settle(
    client: &Client,
    members: &[&Member],
    reached: impl Fn(&[Vec<i32>]) -> bool,
) -> anyhow::Result<Vec<Vec<i32>>> {
    loop {
        for member in members {
            // Records and errors that a retry repairs are of no interest here.
            let _ = member.0.poll(Duration::from_millis(50));
        }
        let found = members.iter().map(|member| member.partitions());
        let found = found.collect::<anyhow::Result<Vec<_>>>()?;
        if reached(&found) {
            return Ok(found);
        }
        client.check_time(&format!("the group does not settle: {found:?}"))?;
    }
}

/// Each of four partitions has one owner, and both members have two.
fn shared(found: &[Vec<i32>]) -> bool {
    let mut all = found.concat();
    all.sort_unstable();
    all == [0, 1, 2, 3] && found.iter().all(|partitions| partitions.len() == 2)
}

fn has_all(found: &[Vec<i32>]) -> bool {
    found == [[0, 1, 2, 3]]
}

pub(crate) async fn one_member(client: &Client) -> anyhow::Result<()> {
    client.create_topic(4, &[]).await?;
    settle(client, &[&Member::join(client, &[])?], has_all)?;
    Ok(())
}

pub(crate) async fn join_leave(client: &Client) -> anyhow::Result<()> {
    client.create_topic(4, &[]).await?;
    let one = Member::join(client, &[])?;
    settle(client, &[&one], has_all)?;
    let two = Member::join(client, &[])?;
    settle(client, &[&one, &two], shared)?;
    drop(two);
    settle(client, &[&one], has_all)?;
    Ok(())
}

pub(crate) async fn member_death(client: &Client) -> anyhow::Result<()> {
    client.create_topic(4, &[]).await?;
    let survivor = Member::join(client, &[])?;
    let mut victim = Command::new(env::current_exe()?)
        .args([&client.bootstrap, &client.name, "member"])
        .stderr(Stdio::null())
        .spawn()?;
    let both = settle(client, &[&survivor], |found| found.concat().len() == 2);
    victim.kill()?;
    victim.wait()?;
    both?;
    settle(client, &[&survivor], has_all)?;
    Ok(())
}

/// The victim of the case above.
pub(crate) fn member(client: &Client) -> anyhow::Result<()> {
    settle(client, &[&Member::join(client, &[])?], |_| false)?;
    Ok(())
}

/// A member among other clients: prints what it is assigned and what it reads, and leaves when its
/// standard input ends.
pub(crate) fn mixed(client: &Client, assignor: &str) -> anyhow::Result<()> {
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    thread::spawn(move || {
        // An error ends it as well.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        over.store(true, Ordering::Relaxed);
    });
    let settings = [
        ("partition.assignment.strategy", assignor),
        ("enable.auto.commit", "true"),
        // While it closes, the crate takes messages that nobody sees: they must not be committed.
        ("enable.auto.offset.store", "false"),
    ];
    let member = Member::join(client, &settings)?;
    let mut told = None;
    while !is_over.load(Ordering::Relaxed) {
        if let Some(Ok(message)) = member.0.poll(Duration::from_millis(50)) {
            println!("{}:{}", message.partition(), message.offset());
            // Fails where a rebalance has just taken the partition away: then it is read again.
            let _ = member.0.store_offset_from_message(&message);
        }
        let found = member.partitions()?;
        if told.as_ref() != Some(&found) {
            let numbers: Vec<_> = found.iter().map(ToString::to_string).collect();
            println!("= {}", numbers.join(" "));
            told = Some(found);
        }
    }
    // It reads nothing any more; the others may have its partitions as soon as it has left.
    println!("=");
    drop(member);
    Ok(())
}

pub(crate) async fn cooperative(client: &Client) -> anyhow::Result<()> {
    client.create_topic(4, &[]).await?;
    let one = Member::join(client, COOPERATIVE)?;
    settle(client, &[&one], has_all)?;
    let two = Member::join(client, COOPERATIVE)?;
    settle(client, &[&one, &two], shared)?;
    equal(one.revoked(), 2)
}

pub(crate) async fn static_member(client: &Client) -> anyhow::Result<()> {
    client.create_topic(4, &[]).await?;
    let one = Member::join(client, &[("group.instance.id", "one")])?;
    let two = Member::join(client, &[("group.instance.id", "two")])?;
    let before = settle(client, &[&one, &two], shared)?;
    let revoked = one.revoked();
    drop(two);
    let two = Member::join(client, &[("group.instance.id", "two")])?;
    let after = settle(client, &[&one, &two], shared)?;
    equal(after, before)?;
    equal(one.revoked(), revoked)
}

pub(crate) async fn spare_member(client: &Client) -> anyhow::Result<()> {
    client.create_topic(2, &[]).await?;
    let counts = |found: &[Vec<i32>]| {
        let mut counts: Vec<_> = found.iter().map(Vec::len).collect();
        counts.sort_unstable();
        counts
    };
    let mut members = Vec::new();
    for _ in 0..3 {
        members.push(Member::join(client, &[])?);
    }
    let all: Vec<_> = members.iter().collect();
    let found = settle(client, &all, |found| counts(found) == [0, 1, 1])?;
    let owner = found.iter().position(|partitions| !partitions.is_empty());
    drop(members.remove(owner.context("somebody has a partition")?));
    let rest: Vec<_> = members.iter().collect();
    settle(client, &rest, |found| counts(found) == [1, 1])?;
    Ok(())
}

pub(crate) async fn commit_and_resume(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let first = client.subscriber()?;
    client.read(&first, 4)?;
    first.commit(&client.at(0, 4)?, CommitMode::Sync)?;
    drop(first);
    let found = client.read(&client.subscriber()?, 1)?;
    equal(found.first().map(Message::offset), Some(4))
}

pub(crate) async fn commit_metadata(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    let consumer = client.consumer()?;
    let commit = client.at(0, 3)?;
    let mut partition = commit
        .find_partition(&client.name, 0)
        .context("it was added")?;
    partition.set_metadata("a text");
    consumer.commit(&commit, CommitMode::Sync)?;
    let found = consumer.committed_offsets(client.at(0, 0)?, CALL)?;
    let found = found
        .find_partition(&client.name, 0)
        .context("it is answered")?;
    equal(
        (found.offset(), found.metadata()),
        (Offset::Offset(3), "a text"),
    )
}

pub(crate) async fn reset_earliest(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let found = client.read(&client.subscriber()?, 1)?;
    equal(found.first().map(Message::offset), Some(0))
}

pub(crate) async fn reset_latest(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let late = Member::join(client, &[("auto.offset.reset", "latest")])?;
    settle(client, &[&late], |found| found == [[0]])?;
    // The end is looked up in the background, so it moves until the member has found it.
    let offset = loop {
        client.produce_values(1).await?;
        if let Some(message) = late.0.poll(Duration::from_millis(200)) {
            break message?.offset();
        }
        client.check_time("no record came")?;
    };
    anyhow::ensure!(10 <= offset, "it began at {offset}");
    Ok(())
}
