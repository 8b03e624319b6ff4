//! Groups of this project's own consumers: who reads what as members come, go, die and are slow,
//! and where they go on.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::StreamExt;
use odradek_client::{
    Address, Admin, ClientConfig, Consumer, Error, ErrorCode,
    admin::{group_offsets::CommittedOffset, offsets::OffsetSpec, topics::NewPartitions},
    consumer::config::ConsumerConfig,
};
use odradek_tests::{broker::Broker, wait::PATIENCE};
use tokio::time::timeout;

use crate::{
    client::{self, create_topic, send_all, values},
    groups_raw::document,
    own_group_members::{Diary, broker, is_shared, member, poll_until, reader, share, times_read},
};

/// Sends so many records, each partition its part.
async fn fill(broker: &Broker, topic: &str, prefix: &str, count: usize) {
    let producer = client::producer(broker, &[]);
    send_all(&producer, topic, None, &values(prefix, count)).await;
}

async fn members_come_go_and_die(assignor: &str) {
    let broker = broker();
    create_topic(&broker, "shared", 6, &[]).await;
    fill(&broker, "shared", "early", 300).await;
    let settings = [("partition.assignment.strategy", assignor)];
    let mut members = vec![reader(&broker, "shared", &settings)];
    let mut records = poll_until("one reads all", &mut members, |_, records| {
        records.len() == 300
    })
    .await;
    for _ in 0..2 {
        members.push(reader(&broker, "shared", &settings));
        let shared = poll_until("one more shares", &mut members, |members, _| {
            is_shared(members, "shared", 6)
        });
        records.extend(shared.await);
    }
    fill(&broker, "shared", "between", 300).await;
    let all = poll_until("three read all", &mut members, |_, records| {
        records.len() == 300
    });
    records.extend(all.await);
    members.remove(0).close().await.unwrap();
    let shared = poll_until("two share", &mut members, |members, _| {
        is_shared(members, "shared", 6)
    });
    records.extend(shared.await);
    let times = times_read(&records);
    assert_eq!(times.len(), 600);
    assert!(
        times.values().all(|times| *times == 1),
        "{assignor}: {times:?}"
    );

    // One says nothing any more. Its session is short.
    let dying = [settings[0], ("session.timeout.ms", "1000")];
    members.push(reader(&broker, "shared", &dying));
    poll_until("three share", &mut members, |members, _| {
        is_shared(members, "shared", 6)
    })
    .await;
    drop(members.pop());
    fill(&broker, "shared", "late", 300).await;
    let late = poll_until("two read all", &mut members, |members, records| {
        is_shared(members, "shared", 6) && times_read(records).len() == 300
    });
    assert_eq!(times_read(&late.await).len(), 300);
    assert_eq!(document(&broker, "readers")["protocol"], assignor);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_ranges_every_partition_is_read_by_one_as_members_come_go_and_die() {
    members_come_go_and_die("range").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dealt_like_cards_every_partition_is_read_by_one_as_members_come_go_and_die() {
    members_come_go_and_die("roundrobin").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stickily_every_partition_is_read_by_one_as_members_come_go_and_die() {
    members_come_go_and_die("sticky").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cooperatively_every_partition_is_read_by_one_as_members_come_go_and_die() {
    members_come_go_and_die("cooperative-sticky").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_where_it_committed_though_the_broker_was_killed() {
    let mut broker = broker();
    create_topic(&broker, "kept", 2, &[]).await;
    fill(&broker, "kept", "before", 100).await;
    let manual = [("enable.auto.commit", "false")];
    let mut members = vec![reader(&broker, "kept", &manual)];
    poll_until("all is read", &mut members, |_, records| {
        records.len() == 100
    })
    .await;
    members[0].commit().await.unwrap();
    let membership = members[0].group_membership().unwrap();
    broker.kill();
    broker.start_again();
    // The member of before goes on as if nothing had happened.
    fill(&broker, "kept", "after", 50).await;
    let after = poll_until("more is read", &mut members, |_, records| {
        records.len() == 50
    });
    assert_eq!(times_read(&after.await).len(), 50);
    assert_eq!(members[0].group_membership(), Some(membership));
    members.remove(0).close().await.unwrap();
    // What it did not commit is read by the next.
    members.push(reader(&broker, "kept", &manual));
    let again = poll_until("the rest is read", &mut members, |_, records| {
        records.len() == 50
    });
    let again = again.await;
    assert!(
        times_read(&again)
            .keys()
            .all(|value| value.starts_with("after"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_are_committed_found_again_and_moved() {
    let broker = broker();
    create_topic(&broker, "moved", 1, &[]).await;
    fill(&broker, "moved", "v", 20).await;
    let place = [("moved".to_owned(), 0)];
    let settings = [("enable.auto.commit", "false"), ("max.poll.records", "5")];
    let mut members = vec![reader(&broker, "moved", &settings)];
    let records = poll_until("some are read", &mut members, |_, records| {
        !records.is_empty()
    })
    .await;
    assert_eq!(members[0].committed(&place).await.unwrap(), BTreeMap::new());
    members[0].commit_record(&records[2]).await.unwrap();
    let committed =
        async |members: &[Consumer]| members[0].committed(&place).await.unwrap()[&place[0]].offset;
    assert_eq!(committed(&members).await, 3);
    // What was handed out, and nothing else.
    members[0].commit_in_background().wait().await.unwrap();
    assert_eq!(committed(&members).await, 5);
    let (_, mut position) = records[3].position_after();
    position.metadata = "mine".to_owned();
    let positions = BTreeMap::from([(place[0].clone(), position.clone())]);
    members[0].commit_offsets(&positions).await.unwrap();
    assert_eq!(members[0].committed(&place).await.unwrap(), positions);

    members[0].seek("moved", 0, 18).unwrap();
    let tail = poll_until("the tail is read", &mut members, |_, records| {
        records.len() == 2
    })
    .await;
    assert_eq!(tail[0].offset, 18);
    members[0]
        .seek_to("moved", 0, OffsetSpec::Earliest)
        .unwrap();
    members[0].pause("moved", 0).unwrap();
    assert!(
        members[0]
            .poll(Duration::from_millis(100))
            .await
            .unwrap()
            .is_empty()
    );
    members[0].resume("moved", 0).unwrap();
    let head = poll_until("the head is read", &mut members, |_, records| {
        !records.is_empty()
    })
    .await;
    assert_eq!(head[0].offset, 0);
    members.remove(0).close().await.unwrap();

    // The commit counts, not what was read; also for a consumer that is given the partition.
    let assigned = member(&broker, &settings);
    assigned.assign(&place).unwrap();
    let mut members = vec![assigned];
    let next = poll_until("it goes on", &mut members, |_, records| !records.is_empty()).await;
    assert_eq!(next[0].offset, position.offset);
    // A position outside of the log is reset.
    let outside = CommittedOffset {
        offset: 1_000,
        leader_epoch: None,
        metadata: String::new(),
    };
    let beyond = BTreeMap::from([(place[0].clone(), outside)]);
    members[0].commit_offsets(&beyond).await.unwrap();
    let mut members = vec![reader(&broker, "moved", &settings)];
    let first = poll_until("it is reset", &mut members, |_, records| {
        !records.is_empty()
    })
    .await;
    assert_eq!(first[0].offset, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_begins_to_match_is_read() {
    let broker = broker();
    create_topic(&broker, "logs-1", 2, &[]).await;
    fill(&broker, "logs-1", "one", 10).await;
    let pattern = member(&broker, &[("metadata.max.age.ms", "200")]);
    pattern.subscribe_pattern("logs-[0-9]+").unwrap();
    let mut members = vec![pattern];
    poll_until("the first is read", &mut members, |_, records| {
        records.len() == 10
    })
    .await;
    create_topic(&broker, "logs-x", 1, &[]).await;
    create_topic(&broker, "logs-2", 2, &[]).await;
    fill(&broker, "logs-2", "two", 10).await;
    poll_until("the second is read", &mut members, |_, records| {
        records.len() == 10
    })
    .await;
    let assignment = members[0].assignment();
    assert_eq!(assignment.len(), 4, "{assignment:?}");
    client::delete_topic(&broker, "logs-1").await;
    poll_until("the first is forgotten", &mut members, |members, _| {
        members[0].assignment().len() == 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_comes_later_and_partitions_that_are_added_are_read() {
    let broker = Broker::start_with(&[
        ("group.initial.rebalance.delay.ms", "100"),
        ("auto.create.topics.enable", "false"),
    ]);
    let settings = [("metadata.max.age.ms", "200")];
    let mut members = vec![
        reader(&broker, "later", &settings),
        reader(&broker, "later", &settings),
    ];
    poll_until("both are members", &mut members, |members, _| {
        members.iter().all(|member| {
            member
                .group_membership()
                .is_some_and(|it| it.generation >= 1)
        })
    })
    .await;
    create_topic(&broker, "later", 2, &[]).await;
    poll_until("it is shared", &mut members, |members, _| {
        is_shared(members, "later", 2)
    })
    .await;
    let admin = Admin::new(ClientConfig::new(
        Address::parse_list(&broker.bootstrap()).unwrap(),
    ));
    let grown = NewPartitions {
        topic: "later".to_owned(),
        total: 4,
        assignments: Vec::new(),
    };
    admin.create_partitions(vec![grown]).await.unwrap();
    poll_until("more is shared", &mut members, |members, _| {
        is_shared(members, "later", 4)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_that_restarts_causes_no_rebalance() {
    let broker = broker();
    create_topic(&broker, "kept", 4, &[]).await;
    let named = |name| reader(&broker, "kept", &[("group.instance.id", name)]);
    let mut members = vec![named("one"), named("two")];
    poll_until("both share", &mut members, |members, _| {
        is_shared(members, "kept", 4)
    })
    .await;
    let before = document(&broker, "readers")["generation"].clone();
    let its_share = share(&members[1], "kept");
    members.pop().unwrap().close().await.unwrap();
    members.push(named("two"));
    poll_until("it is back", &mut members, |members, _| {
        is_shared(members, "kept", 4)
    })
    .await;
    assert_eq!(share(&members[1], "kept"), its_share);
    assert_eq!(document(&broker, "readers")["generation"], before);

    // Its namesake puts it out for good.
    let namesake = named("two");
    let mut fenced = members.pop().unwrap();
    members.push(namesake);
    poll_until("the namesake reads", &mut members, |members, _| {
        is_shared(members, "kept", 4)
    })
    .await;
    for _ in 0..2 {
        let error = timeout(PATIENCE, async {
            loop {
                if let Err(error) = fenced.poll(Duration::from_millis(10)).await {
                    return error;
                }
            }
        });
        let error = error.await.unwrap();
        assert!(fenced.assignment().is_empty());
        assert_eq!(error.code(), Some(ErrorCode::FencedInstanceId), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_does_not_poll_leaves_and_comes_back_when_it_does() {
    let broker = broker();
    create_topic(&broker, "slow", 2, &[]).await;
    fill(&broker, "slow", "v", 10).await;
    let settings = [
        ("max.poll.interval.ms", "500"),
        ("enable.auto.commit", "false"),
    ];
    let slow = reader(&broker, "slow", &settings);
    let diary = Diary::default();
    slow.set_rebalance_listener(Box::new(diary.clone()));
    let mut members = vec![slow];
    poll_until("it reads", &mut members, |_, records| records.len() == 10).await;
    let slow = members.pop().unwrap();
    members.push(reader(&broker, "slow", &[]));
    poll_until("the other reads", &mut members, |members, _| {
        is_shared(members, "slow", 2)
    })
    .await;
    // It does not know yet, and cannot commit.
    let late = slow.commit().await;
    assert!(matches!(late, Err(Error::NotAMember { .. })), "{late:?}");
    diary.take().await;
    members.push(slow);
    poll_until("both read", &mut members, |members, _| {
        is_shared(members, "slow", 2)
    })
    .await;
    let heard = diary.take().await;
    assert_eq!(heard[0], "lost 0 1 (no commit)", "{heard:?}");
    assert!(heard[1].starts_with("assigned "), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_hear_of_partitions_before_they_go_and_before_they_are_read() {
    for (assignor, revoked) in [
        ("range", "revoked 0 1"),
        ("cooperative-sticky", "revoked 1"),
    ] {
        let broker = broker();
        create_topic(&broker, "heard", 2, &[]).await;
        let settings = [
            ("partition.assignment.strategy", assignor),
            ("enable.auto.commit", "false"),
        ];
        let diaries = [Diary::default(), Diary::default()];
        let mut members = Vec::new();
        for diary in &diaries {
            let member = reader(&broker, "heard", &settings);
            member.set_rebalance_listener(Box::new(diary.clone()));
            members.push(member);
            poll_until("it reads", &mut members, |members, _| {
                is_shared(members, "heard", 2)
            })
            .await;
        }
        poll_until("both are done", &mut members, |members, _| {
            let generations = members
                .iter()
                .map(|it| it.group_membership().unwrap().generation);
            generations.collect::<BTreeSet<_>>().len() == 1
        })
        .await;
        let kept = share(&members[0], "heard");
        members.pop().unwrap().close().await.unwrap();
        poll_until("one reads all", &mut members, |members, _| {
            is_shared(members, "heard", 2)
        })
        .await;
        members.pop().unwrap().close().await.unwrap();
        let first = diaries[0].take().await;
        assert_eq!(first[0], "assigned 0 1", "{assignor}");
        let given = first
            .iter()
            .position(|line| line.starts_with("revoked"))
            .unwrap();
        if assignor == "range" {
            assert_eq!(first[given], revoked);
            assert_eq!(
                first[given + 1],
                format!("assigned {}", kept.first().unwrap())
            );
        } else {
            assert_eq!(first[given].len(), revoked.len(), "{first:?}");
        }
        assert_eq!(first.last().unwrap(), "revoked 0 1", "{assignor}");
        let second = diaries[1].take().await;
        let taken = second.iter().find(|line| **line != "assigned ").unwrap();
        assert!(taken.starts_with("assigned "), "{second:?}");
        assert!(second.last().unwrap().starts_with("revoked "), "{second:?}");
        // Each call came while a commit was possible.
        assert!(
            !first
                .iter()
                .chain(&second)
                .any(|line| line.ends_with("(no commit)"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn assigned_and_subscribed_exclude_each_other() {
    let broker = broker();
    create_topic(&broker, "one", 1, &[]).await;
    let place = [("one".to_owned(), 0)];
    let topics = ["one".to_owned()];
    let mut consumer = member(&broker, &[]);
    consumer.assign(&place).unwrap();
    let both = consumer.subscribe(&topics);
    assert!(
        matches!(both, Err(Error::AssignedAndSubscribed)),
        "{both:?}"
    );
    consumer.unsubscribe().await.unwrap();
    assert!(consumer.assignment().is_empty());
    consumer.subscribe(&topics).unwrap();
    let both = consumer.assign(&place);
    assert!(
        matches!(both, Err(Error::AssignedAndSubscribed)),
        "{both:?}"
    );
    let pattern = consumer.subscribe_pattern("(");
    assert!(
        matches!(pattern, Err(Error::BadPattern { .. })),
        "{pattern:?}"
    );
    let mut members = [consumer];
    poll_until("it reads", &mut members, |members, _| {
        is_shared(members, "one", 1)
    })
    .await;
    let [mut consumer] = members;
    consumer.unsubscribe().await.unwrap();
    assert_eq!(
        (consumer.assignment(), consumer.group_membership()),
        (vec![], None)
    );
    poll_until("the group is empty", &mut [], |_, _| {
        document(&broker, "readers")["members_total"] == 0
    })
    .await;
    let cluster = ClientConfig::new(vec![]);
    let config = ConsumerConfig::new(cluster);
    let nameless = Consumer::new(config);
    assert!(matches!(nameless.subscribe(&topics), Err(Error::NoGroup)));
    assert!(matches!(nameless.commit().await, Err(Error::NoGroup)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_gives_records_one_by_one_and_a_commit_covers_those() {
    let broker = broker();
    create_topic(&broker, "streamed", 1, &[]).await;
    fill(&broker, "streamed", "v", 10).await;
    let mut consumer = reader(&broker, "streamed", &[("enable.auto.commit", "false")]);
    let place = ("streamed".to_owned(), 0);
    let mut records = consumer.stream();
    for offset in 0..4 {
        let next = timeout(PATIENCE, records.next()).await.unwrap();
        assert_eq!(next.unwrap().unwrap().offset, offset);
    }
    records.consumer().unwrap().commit().await.unwrap();
    drop(records);
    let committed = consumer
        .committed(std::slice::from_ref(&place))
        .await
        .unwrap();
    assert_eq!(committed[&place].offset, 4);
    let mut records = consumer.into_stream();
    let next = timeout(PATIENCE, records.next()).await.unwrap();
    assert_eq!(next.unwrap().unwrap().offset, 4);
    records.into_consumer().unwrap().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_the_log_has_lost_is_noticed_by_its_epoch() {
    let broker = broker();
    create_topic(&broker, "lost", 1, &[]).await;
    fill(&broker, "lost", "v", 20).await;
    let place = ("lost".to_owned(), 0);
    let manual = ("enable.auto.commit", "false");
    let committer = member(&broker, &[manual]);
    committer.assign(std::slice::from_ref(&place)).unwrap();
    // As if a leader that is gone had given out a thousand records.
    let lost = CommittedOffset {
        offset: 1_000,
        leader_epoch: Some(0),
        metadata: String::new(),
    };
    let positions = BTreeMap::from([(place.clone(), lost)]);
    committer.commit_offsets(&positions).await.unwrap();

    let strict = member(&broker, &[manual, ("auto.offset.reset", "none")]);
    strict.assign(std::slice::from_ref(&place)).unwrap();
    let mut strict = strict;
    let told = timeout(PATIENCE, strict.poll(PATIENCE)).await.unwrap();
    let Err(Error::Truncated {
        offset,
        diverged_at,
        ..
    }) = told
    else {
        panic!("the loss is told: {told:?}");
    };
    assert_eq!((offset, diverged_at), (1_000, Some(20)));

    let mut members = vec![reader(&broker, "lost", &[manual])];
    poll_until("it stands at the end", &mut members, |members, _| {
        members[0].position("lost", 0) == Some(20)
    })
    .await;
    fill(&broker, "lost", "new", 1).await;
    let next = poll_until("it goes on", &mut members, |_, records| !records.is_empty());
    // Where the log ends, not at its beginning.
    assert_eq!(next.await[0].offset, 20);
}
