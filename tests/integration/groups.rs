//! Groups of the classic protocol, frame by frame: what a member is answered, and when.

use bytes::Bytes;
use odradek_protocol::{
    ErrorCode,
    messages::{
        delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse},
        describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse},
        find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse},
        join_group::{JoinGroupRequest, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity},
        sync_group::SyncGroupResponse,
    },
};
use odradek_tests::{broker::Broker, wait};

use crate::{
    groups_raw::{Member, broker_with_groups, describe, document, find_coordinator, list, settle},
    wire::Wire,
};

#[test]
fn members_join_leave_and_die_and_the_others_go_on() {
    let broker = broker_with_groups("g");
    let mut members: Vec<_> = (0..3).map(|_| Member::new(&broker, "g")).collect();
    // Short, for the one that will die.
    members[2].session_timeout_ms = 6_000;
    settle(&mut members);
    assert_eq!(members[0].generation, 1);

    assert_eq!(members.remove(1).leave(), ErrorCode::None);
    for member in &mut members {
        member.wait_for_rebalance();
    }
    settle(&mut members);
    assert_eq!(members[0].generation, 2);

    // Its connection is cut, and nobody says goodbye.
    let dead = members.remove(1).id;
    members[0].wait_for_rebalance();
    settle(&mut members);
    assert_eq!(members[0].generation, 3);
    let seen = document(&broker, "g");
    assert_eq!(
        (&seen["state"], &seen["members_total"]),
        (&"Stable".into(), &1.into())
    );
    let newest = &seen["rebalances"][0];
    let change = &newest["changes"]["members"][0];
    assert_eq!(
        (&change["what"], &change["member_id"]),
        (&"died".into(), &dead.into())
    );
    let line = broker.printed();
    assert!(
        line.contains("generation 3 is stable") && line.contains("1 died"),
        "{line}"
    );
}

#[test]
fn a_group_may_have_any_name_but_none() {
    let broker = broker_with_groups("g");
    let mut wire = Wire::connect(&broker);
    for group in [
        "a/b c",
        "ünïcödé 🦀",
        ".",
        "__consumer_offsets",
        "\u{0}\n",
        &"x".repeat(30_000),
    ] {
        let mut members = [Member::new(&broker, group)];
        settle(&mut members);
        assert_eq!(describe(&mut wire, group).members.len(), 1, "{group:?}");
    }
    let mut nameless = Member::new(&broker, "");
    let answer: JoinGroupResponse = nameless.wire.call(9, &nameless.join_request());
    assert_eq!(answer.error_code, ErrorCode::InvalidGroupId);
    assert_eq!(nameless.heartbeat(), ErrorCode::InvalidGroupId);
    assert_eq!(nameless.sync(&[]).error_code, ErrorCode::InvalidGroupId);
}

#[test]
fn metadata_and_assignments_pass_through_whatever_they_are() {
    let broker = broker_with_groups("g");
    let mut member = Member::new(&broker, "g");
    let garbage = Bytes::from_static(b"\xff\xff\x7f\xff\xff\xff\0");
    member.protocols = vec![("range".to_owned(), garbage.clone())];
    let joined = member.join();
    assert_eq!(joined.members[0].metadata, garbage);
    let id = member.id.clone();
    let assignment = b"\0\0\x7f\xff\xff\xff";
    let synced = member.sync(&[("stranger", b"x"), (&id, assignment)]);
    assert_eq!(&*synced.assignment, assignment);
    let mut wire = Wire::connect(&broker);
    let seen = &describe(&mut wire, "g").members[0];
    assert_eq!(seen.member_metadata, garbage);
    assert_eq!(&*seen.member_assignment, assignment);
    assert!(document(&broker, "g")["members"][0]["assignment"].is_null());
}

#[test]
fn a_member_that_never_syncs_is_put_out_and_the_others_go_on() {
    let broker = broker_with_groups("g");
    let mut members: Vec<_> = (0..2).map(|_| Member::new(&broker, "g")).collect();
    for member in &mut members {
        // So long may the leader take to sync on a busy machine.
        member.rebalance_timeout_ms = 5_000;
        member.begin_join();
    }
    for member in &mut members {
        assert_eq!(member.end_join().error_code, ErrorCode::None);
    }
    let [leader, silent] = &mut members[..] else {
        unreachable!()
    };
    assert_eq!(leader.sync(&[]).error_code, ErrorCode::None);
    wait::until("it is put out", || {
        (silent.heartbeat() == ErrorCode::UnknownMemberId).then_some(())
    });
    leader.wait_for_rebalance();
    members.pop();
    settle(&mut members);
    assert_eq!(members[0].generation, 2);
}

#[test]
fn a_static_member_is_replaced_without_a_rebalance_and_the_former_is_fenced() {
    let broker = broker_with_groups("g");
    let mut members = [
        Member::fixed(&broker, "g", "one"),
        Member::fixed(&broker, "g", "two"),
    ];
    settle(&mut members);
    let [leader, former] = &mut members;
    let mut back = Member::fixed(&broker, "g", "two");
    let joined = back.join();
    assert_eq!(
        (joined.error_code, joined.generation_id),
        (ErrorCode::None, 1)
    );
    assert_ne!(back.id, former.id);
    assert_eq!(back.sync(&[]).assignment, former.id.as_bytes());
    assert_eq!(former.heartbeat(), ErrorCode::FencedInstanceId);
    assert_eq!(former.sync(&[]).error_code, ErrorCode::FencedInstanceId);
    assert_eq!(back.heartbeat(), ErrorCode::None);
    assert_eq!(leader.heartbeat(), ErrorCode::None);

    // An operator removes it by its name.
    let request = LeaveGroupRequest {
        group_id: "g".to_owned(),
        members: vec![MemberIdentity {
            member_id: String::new(),
            group_instance_id: Some("two".to_owned()),
            reason: None,
        }],
        ..Default::default()
    };
    let answer: LeaveGroupResponse = leader.wire.call(5, &request);
    assert_eq!(answer.members[0].error_code, ErrorCode::None);
    assert_eq!(back.heartbeat(), ErrorCode::UnknownMemberId);
    assert_eq!(leader.heartbeat(), ErrorCode::RebalanceInProgress);
}

#[test]
fn strangers_and_latecomers_are_told_what_kafka_tells_them() {
    let broker = broker_with_groups("g");
    let mut members = [Member::new(&broker, "g")];
    settle(&mut members);
    let [member] = &mut members;
    let mut stranger = Member::new(&broker, "g");
    stranger.id = "stranger".to_owned();
    assert_eq!(stranger.heartbeat(), ErrorCode::UnknownMemberId);
    assert_eq!(stranger.sync(&[]).error_code, ErrorCode::UnknownMemberId);
    assert_eq!(stranger.join().error_code, ErrorCode::UnknownMemberId);
    assert_eq!(stranger.leave(), ErrorCode::UnknownMemberId);
    stranger.group = "nobody's".to_owned();
    assert_eq!(stranger.heartbeat(), ErrorCode::UnknownMemberId);
    assert_eq!(stranger.sync(&[]).error_code, ErrorCode::UnknownMemberId);
    assert_eq!(stranger.join().error_code, ErrorCode::UnknownMemberId);
    assert_eq!(stranger.leave(), ErrorCode::UnknownMemberId);

    member.generation = 7;
    assert_eq!(member.heartbeat(), ErrorCode::IllegalGeneration);
    assert_eq!(member.sync(&[]).error_code, ErrorCode::IllegalGeneration);
    let refused = |change: fn(&mut JoinGroupRequest)| {
        let mut new = Member::new(&broker, "g");
        let mut request = new.join_request();
        change(&mut request);
        let answer: JoinGroupResponse = new.wire.call(9, &request);
        answer.error_code
    };
    let code = refused(|request| request.session_timeout_ms = 1);
    assert_eq!(code, ErrorCode::InvalidSessionTimeout);
    let code = refused(|request| request.session_timeout_ms = -1);
    assert_eq!(code, ErrorCode::InvalidSessionTimeout);
    let code = refused(|request| request.protocol_type = "connect".to_owned());
    assert_eq!(code, ErrorCode::InconsistentGroupProtocol);
    let code = refused(|request| request.protocols.clear());
    assert_eq!(code, ErrorCode::InconsistentGroupProtocol);
    let code = refused(|request| request.protocols[0].name = "other".to_owned());
    assert_eq!(code, ErrorCode::InconsistentGroupProtocol);
}

#[test]
fn a_full_group_takes_nobody_else() {
    let settings = [
        ("group.max.size", "2"),
        ("group.initial.rebalance.delay.ms", "300"),
    ];
    let broker = Broker::start_with(&settings);
    find_coordinator(&mut Wire::connect(&broker), "g");
    let mut members = [Member::new(&broker, "g"), Member::new(&broker, "g")];
    settle(&mut members);
    let mut third = Member::new(&broker, "g");
    let answer: JoinGroupResponse = third.wire.call(9, &third.join_request());
    assert_eq!(answer.error_code, ErrorCode::GroupMaxSizeReached);
    assert_eq!(members[0].heartbeat(), ErrorCode::None);
}

#[test]
fn a_join_waits_for_its_answer_even_if_its_client_has_gone() {
    let broker = broker_with_groups("g");
    let mut members = vec![Member::new(&broker, "g")];
    settle(&mut members);
    let mut gone = Member::new(&broker, "g");
    gone.session_timeout_ms = 6_000;
    gone.begin_join();
    let id = gone.id.clone();
    drop(gone);
    members[0].wait_for_rebalance();
    let joined = members[0].join();
    let ids: Vec<_> = joined
        .members
        .iter()
        .map(|member| &member.member_id)
        .collect();
    assert!(ids.contains(&&id), "it had joined: {ids:?}");
    assert_eq!(members[0].sync(&[]).error_code, ErrorCode::None);
    // It is missed as soon as its session is over.
    members[0].wait_for_rebalance();
}

#[test]
fn groups_are_listed_described_and_deleted() {
    let broker = broker_with_groups("full");
    let mut wire = Wire::connect(&broker);
    let mut members = [Member::new(&broker, "full")];
    settle(&mut members);
    let mut left = [Member::new(&broker, "left")];
    settle(&mut left);
    assert_eq!(left[0].leave(), ErrorCode::None);
    let row =
        |group: &str, state: &str| [group.to_owned(), "consumer".to_owned(), state.to_owned()];
    let all = [row("full", "Stable"), row("left", "Empty")];
    assert_eq!(list(&mut wire, &[], &[]), all);
    assert_eq!(list(&mut wire, &["stable"], &["Classic"]), all[..1]);
    assert_eq!(list(&mut wire, &["Empty", "Dead"], &[]), all[1..]);
    assert!(list(&mut wire, &[], &["consumer"]).is_empty());
    assert!(list(&mut wire, &["Nonsense"], &[]).is_empty());

    let seen = describe(&mut wire, "full");
    assert_eq!(
        (&*seen.group_state, &*seen.protocol_data),
        ("Stable", "range")
    );
    let member = &seen.members[0];
    assert_eq!(
        (&*member.client_id, &*member.client_host),
        ("wire", "/127.0.0.1")
    );
    assert_eq!(&*member.member_metadata, b"mine");
    let unknown = describe(&mut wire, "unknown");
    assert_eq!(unknown.error_code, ErrorCode::GroupIdNotFound);
    assert_eq!(
        unknown.error_message.as_deref(),
        Some("Group unknown not found.")
    );
    let request = DescribeGroupsRequest {
        groups: vec!["unknown".to_owned()],
        include_authorized_operations: true,
    };
    let before: DescribeGroupsResponse = wire.call(5, &request);
    let before = &before.groups[0];
    assert_eq!(
        (before.error_code, &*before.group_state),
        (ErrorCode::None, "Dead")
    );

    let names = ["full", "left", "unknown"].map(str::to_owned);
    let request = DeleteGroupsRequest {
        groups_names: names.to_vec(),
    };
    let answer: DeleteGroupsResponse = wire.call(2, &request);
    let codes: Vec<_> = answer
        .results
        .iter()
        .map(|result| result.error_code)
        .collect();
    let expected = [
        ErrorCode::NonEmptyGroup,
        ErrorCode::None,
        ErrorCode::GroupIdNotFound,
    ];
    assert_eq!(codes, expected);
    assert_eq!(list(&mut wire, &[], &[]), all[..1]);
}

#[test]
fn transactions_and_share_groups_have_no_coordinator() {
    let broker = Broker::start();
    let mut wire = Wire::connect(&broker);
    for (key_type, expected) in [
        (0, ErrorCode::None),
        (1, ErrorCode::TransactionalIdAuthorizationFailed),
        (2, ErrorCode::InvalidRequest),
        (9, ErrorCode::InvalidRequest),
    ] {
        let request = FindCoordinatorRequest {
            key_type,
            coordinator_keys: vec!["a".to_owned(), String::new()],
            ..Default::default()
        };
        let answer: FindCoordinatorResponse = wire.call(6, &request);
        for found in &answer.coordinators {
            assert_eq!(found.error_code, expected);
            assert_eq!(found.node_id == 1, expected == ErrorCode::None);
        }
        assert_eq!(answer.coordinators.len(), 2);
        let request = FindCoordinatorRequest {
            key_type,
            key: "a".to_owned(),
            ..Default::default()
        };
        let answer: FindCoordinatorResponse = wire.call(3, &request);
        assert_eq!(answer.error_code, expected);
    }
}

#[test]
fn a_group_survives_the_brokers_death_without_a_rebalance() {
    let mut broker = broker_with_groups("g");
    let mut members: Vec<_> = (0..3).map(|_| Member::new(&broker, "g")).collect();
    settle(&mut members);
    let before = describe(&mut Wire::connect(&broker), "g");
    broker.kill();
    broker.start_again();
    let mut wire = Wire::connect(&broker);
    find_coordinator(&mut wire, "g");
    assert_eq!(describe(&mut wire, "g"), before);
    for member in &mut members {
        member.wire = Wire::connect(&broker);
        assert_eq!(member.heartbeat(), ErrorCode::None);
        assert_eq!(member.sync(&[]).assignment, member.id.as_bytes());
    }
    // And it still rebalances.
    members.push(Member::new(&broker, "g"));
    settle_with_one_more(&mut members);
    assert_eq!(members[0].generation, 2);
}

/// The last one joins, the others learn of it and follow.
fn settle_with_one_more(members: &mut [Member]) {
    let (new, old) = members.split_last_mut().unwrap();
    new.begin_join();
    for member in &mut *old {
        member.wait_for_rebalance();
        member.begin_join();
    }
    for member in &mut *old {
        assert_eq!(member.end_join().error_code, ErrorCode::None);
    }
    new.end_join();
    for member in &mut *members {
        member.begin_sync(&[]);
    }
    for member in &mut *members {
        let synced: SyncGroupResponse = member.end_sync();
        assert_eq!(synced.error_code, ErrorCode::None);
    }
}

/// Everybody is gone at once, without a word, and comes back as somebody else: the worst case of a
/// restarted deployment.
#[test]
fn two_hundred_members_that_restart_at_once_settle_in_few_generations() {
    let broker = broker_with_groups("g");
    let crowd = |session_timeout_ms| -> Vec<Member> {
        let member = |_| Member {
            session_timeout_ms,
            ..Member::new(&broker, "g")
        };
        (0..200).map(member).collect()
    };
    let mut members = crowd(10_000);
    settle(&mut members);
    let first = members[0].generation;
    drop(members);
    let mut members = crowd(60_000);
    settle(&mut members);
    let generations = members[0].generation - first;
    println!("generations until 200 restarted members had settled: {generations}");
    assert!(generations <= 3, "{generations}");
    let seen = document(&broker, "g");
    assert_eq!(
        (&seen["state"], &seen["members_total"]),
        (&"Stable".into(), &200.into())
    );
}

/// What waits for others must not hold the memory that those need to be read.
#[test]
fn members_with_much_metadata_form_a_group_in_little_memory() {
    let settings = [
        ("queued.max.request.bytes", "200000"),
        ("group.initial.rebalance.delay.ms", "300"),
    ];
    let broker = Broker::start_with(&settings);
    find_coordinator(&mut Wire::connect(&broker), "g");
    let mut members: Vec<_> = (0..20).map(|_| Member::new(&broker, "g")).collect();
    for member in &mut members {
        member.protocols[0].1 = Bytes::from(vec![7; 40_000]);
    }
    settle(&mut members);
    assert_eq!(members[0].generation, 1);
}

#[test]
fn assignments_may_be_as_long_as_the_log_takes_records() {
    let long = vec![7; 3_000_000];
    for (bytes_max, expected) in [
        ("8000000", ErrorCode::None),
        ("1048588", ErrorCode::UnknownServerError),
    ] {
        let settings = [
            ("message.max.bytes", bytes_max),
            ("group.initial.rebalance.delay.ms", "0"),
        ];
        let broker = Broker::start_with(&settings);
        find_coordinator(&mut Wire::connect(&broker), "g");
        let mut members = [Member::new(&broker, "g")];
        members[0].join();
        let id = members[0].id.clone();
        let synced = members[0].sync(&[(&id, &long)]);
        assert_eq!(synced.error_code, expected, "{bytes_max}");
        let kept = if expected.is_error() { 0 } else { long.len() };
        assert_eq!(synced.assignment.len(), kept);
        if expected.is_error() {
            assert_eq!(members[0].heartbeat(), ErrorCode::RebalanceInProgress);
            settle(&mut members);
        }
    }
}

/// A client that only ever asks for a member id must not make the broker grow without end.
#[test]
fn groups_that_nobody_joins_are_forgotten() {
    let broker = broker_with_groups("g");
    let mut wire = Wire::connect(&broker);
    let mut new = Member::new(&broker, "g");
    new.session_timeout_ms = 6_000;
    for number in 0..2000 {
        new.group = format!("group-{number}");
        wire.send(9, &new.join_request());
        if number % 20 == 19 {
            for _ in 0..20 {
                let answer: JoinGroupResponse = wire.receive(9);
                assert_eq!(answer.error_code, ErrorCode::MemberIdRequired);
            }
        }
    }
    wait::until("all are forgotten", || {
        list(&mut wire, &[], &[]).is_empty().then_some(())
    });
}
