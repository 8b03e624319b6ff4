//! Consumer groups.

use std::{
    collections::BTreeMap,
    env,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, ensure};
use odradek_client::{
    Consumer,
    admin::{group_offsets::CommittedOffset, offsets::TopicPartition},
    consumer::group::listener::{Call, RebalanceListener},
};

use crate::client::{Client, SHORT, Settings, equal};

const COOPERATIVE: Settings<'_> = &[("partition.assignment.strategy", "cooperative-sticky")];

/// Counts the partitions that a member had to give back.
struct Revoked(Arc<AtomicUsize>);

impl RebalanceListener for Revoked {
    fn revoked<'a>(&'a mut self, _: &'a Consumer, partitions: &'a [TopicPartition]) -> Call<'a> {
        self.0.fetch_add(partitions.len(), Ordering::Relaxed);
        Box::pin(async {})
    }
}

/// A member of the group of the case.
struct Member {
    consumer: Consumer,
    revoked: Arc<AtomicUsize>,
}

impl Member {
    fn join(client: &Client, settings: Settings<'_>) -> anyhow::Result<Self> {
        let consumer = client.subscriber(settings)?;
        let revoked = Arc::new(AtomicUsize::new(0));
        consumer.set_rebalance_listener(Box::new(Revoked(Arc::clone(&revoked))));
        Ok(Self { consumer, revoked })
    }

    fn partitions(&self) -> Vec<i32> {
        let assignment = self.consumer.assignment().into_iter();
        let mut partitions: Vec<_> = assignment.map(|(_, partition)| partition).collect();
        partitions.sort_unstable();
        partitions
    }

    fn revoked(&self) -> usize {
        self.revoked.load(Ordering::Relaxed)
    }
}

/// Polls all members until their partitions are as wished.
async fn settle(
    client: &Client,
    members: &mut [&mut Member],
    reached: impl Fn(&[Vec<i32>]) -> bool,
) -> anyhow::Result<Vec<Vec<i32>>> {
    loop {
        for member in &mut *members {
            member.consumer.poll(SHORT).await?;
        }
        let found: Vec<_> = members.iter().map(|member| member.partitions()).collect();
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
    settle(client, &mut [&mut Member::join(client, &[])?], has_all).await?;
    Ok(())
}

pub(crate) async fn join_leave(client: &Client) -> anyhow::Result<()> {
    client.create_topic(4, &[]).await?;
    let mut one = Member::join(client, &[])?;
    settle(client, &mut [&mut one], has_all).await?;
    let mut two = Member::join(client, &[])?;
    settle(client, &mut [&mut one, &mut two], shared).await?;
    two.consumer.close().await?;
    settle(client, &mut [&mut one], has_all).await?;
    Ok(())
}

pub(crate) async fn member_death(client: &Client) -> anyhow::Result<()> {
    client.create_topic(4, &[]).await?;
    let mut survivor = Member::join(client, &[])?;
    let mut victim = Command::new(env::current_exe()?)
        .args([&client.bootstrap, &client.name, "member"])
        .stderr(Stdio::null())
        .spawn()?;
    let half = |found: &[Vec<i32>]| found.concat().len() == 2;
    let both = settle(client, &mut [&mut survivor], half).await;
    victim.kill()?;
    victim.wait()?;
    both?;
    settle(client, &mut [&mut survivor], has_all).await?;
    Ok(())
}

/// The victim of the case above.
pub(crate) async fn member(client: &Client) -> anyhow::Result<()> {
    settle(client, &mut [&mut Member::join(client, &[])?], |_| false).await?;
    Ok(())
}

pub(crate) async fn cooperative(client: &Client) -> anyhow::Result<()> {
    client.create_topic(4, &[]).await?;
    let mut one = Member::join(client, COOPERATIVE)?;
    settle(client, &mut [&mut one], has_all).await?;
    let mut two = Member::join(client, COOPERATIVE)?;
    settle(client, &mut [&mut one, &mut two], shared).await?;
    equal(one.revoked(), 2)
}

pub(crate) async fn static_member(client: &Client) -> anyhow::Result<()> {
    client.create_topic(4, &[]).await?;
    let mut one = Member::join(client, &[("group.instance.id", "one")])?;
    let mut two = Member::join(client, &[("group.instance.id", "two")])?;
    let before = settle(client, &mut [&mut one, &mut two], shared).await?;
    let revoked = one.revoked();
    two.consumer.close().await?;
    let mut two = Member::join(client, &[("group.instance.id", "two")])?;
    let after = settle(client, &mut [&mut one, &mut two], shared).await?;
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
    let mut all: Vec<_> = members.iter_mut().collect();
    let found = settle(client, &mut all, |found| counts(found) == [0, 1, 1]).await?;
    let owner = found.iter().position(|partitions| !partitions.is_empty());
    let owner = members.remove(owner.context("somebody has a partition")?);
    owner.consumer.close().await?;
    let mut rest: Vec<_> = members.iter_mut().collect();
    settle(client, &mut rest, |found| counts(found) == [1, 1]).await?;
    Ok(())
}

pub(crate) async fn commit_and_resume(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let mut first = client.subscriber(&[("max.poll.records", "4")])?;
    client.read(&mut first, 4).await?;
    first.commit().await?;
    first.close().await?;
    let mut second = client.subscriber(&[])?;
    let found = client.read(&mut second, 1).await?;
    equal(found.first().map(|record| record.offset), Some(4))
}

pub(crate) async fn commit_metadata(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    let place = (client.name.clone(), 0);
    let commit = CommittedOffset {
        offset: 3,
        leader_epoch: None,
        metadata: "a text".to_owned(),
    };
    let offsets = BTreeMap::from([(place.clone(), commit)]);
    // Neither assigned nor subscribed: a commit from outside of the group.
    let outside = client.group_consumer(&[])?;
    outside.commit_offsets(&offsets).await?;
    equal(outside.committed(&[place]).await?, offsets)
}

pub(crate) async fn reset_earliest(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let found = client.read(&mut client.subscriber(&[])?, 1).await?;
    equal(found.first().map(|record| record.offset), Some(0))
}

pub(crate) async fn reset_latest(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let mut late = Member::join(client, &[("auto.offset.reset", "latest")])?;
    settle(client, &mut [&mut late], |found| found == [[0]]).await?;
    // The end is looked up in the background, so it moves until the member has found it.
    let offset = loop {
        client.produce_values(1).await?;
        if let Some(record) = late.consumer.poll(SHORT).await?.first() {
            break record.offset;
        }
        client.check_time("no record came")?;
    };
    ensure!(10 <= offset, "it began at {offset}");
    Ok(())
}
