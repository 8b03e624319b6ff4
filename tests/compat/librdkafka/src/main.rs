//! Every case with librdkafka, through the crate `rdkafka`.
//!
//! `odradek-compat-librdkafka BOOTSTRAP PREFIX CASE`; exit 0: passed, 77: the client cannot do it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its last line says how the case went"
)]

mod administration;
mod client;
mod groups;
mod records;

use std::{env, fmt, process};

use anyhow::Context;

use crate::client::Client;

/// The client has no means for a case.
#[derive(Debug)]
struct Cannot(&'static str);

impl fmt::Display for Cannot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Cannot {}

#[tokio::main]
async fn main() {
    // Without destructors: members that a case leaves behind are not waited for.
    process::exit(exit_code(Box::pin(run()).await));
}

fn exit_code(result: anyhow::Result<()>) -> i32 {
    let Err(error) = result else { return 0 };
    if let Some(cannot) = error.downcast_ref::<Cannot>() {
        println!("{cannot}");
        return 77;
    }
    eprintln!("{error:#}");
    1
}

async fn run() -> anyhow::Result<()> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().context("usage: BOOTSTRAP PREFIX CASE");
    let client = Client::new(next()?, next()?)?;
    let case = next()?;
    if let Some(codec) = case.strip_prefix("produce-") {
        return records::round_trip(&client, &[("acks", "all"), ("compression.codec", codec)])
            .await;
    }
    match case.as_str() {
        "acks-0" => records::round_trip(&client, &[("acks", "0")]).await,
        "acks-1" => records::round_trip(&client, &[("acks", "1")]).await,
        "idempotent" => records::round_trip(&client, &[("enable.idempotence", "true")]).await,
        "consume-from-beginning" => records::consume_from_beginning(&client).await,
        "consume-from-timestamp" => records::consume_from_timestamp(&client).await,
        "seek" => records::seek(&client).await,
        "large-message" => records::large_message(&client).await,
        "group-one-member" => groups::one_member(&client).await,
        "group-join-leave" => groups::join_leave(&client).await,
        "group-member-death" => groups::member_death(&client).await,
        "group-cooperative" => groups::cooperative(&client).await,
        "group-static-member" => groups::static_member(&client).await,
        "group-spare-member" => groups::spare_member(&client).await,
        "commit-and-resume" => groups::commit_and_resume(&client).await,
        "commit-metadata" => groups::commit_metadata(&client).await,
        "reset-earliest" => groups::reset_earliest(&client).await,
        "reset-latest" => groups::reset_latest(&client).await,
        "offsets-admin" => administration::offsets(&client).await,
        "create-topic" => administration::create_topic(&client).await,
        "create-partitions" => administration::create_partitions(&client).await,
        "delete-topic" => administration::delete_topic(&client).await,
        "delete-records" => administration::delete_records(&client).await,
        "describe-configs" => administration::describe_configs(&client).await,
        "alter-configs" => administration::alter_configs(&client).await,
        "incremental-alter-configs" => {
            Err(Cannot("the crate rdkafka has no incremental changes").into())
        }
        "list-offsets" => administration::list_offsets(&client).await,
        "describe-cluster" => administration::describe_cluster(&client),
        "error-unknown-topic" => administration::unknown_topic(&client),
        "error-too-large-record" => administration::too_large_record(&client).await,
        "error-invalid-topic-name" => administration::invalid_topic_name(&client).await,
        "error-duplicate-topic" => administration::duplicate_topic(&client).await,
        "error-bad-partition-count" => administration::bad_partition_count(&client).await,
        "error-unknown-group" => administration::unknown_group(&client).await,
        // Not a case: the other member of group-member-death.
        "member" => groups::member(&client),
        // Nor these: members of the group of different clients.
        "mixed-range" => groups::mixed(&client, "range"),
        "mixed-roundrobin" => groups::mixed(&client, "roundrobin"),
        "mixed-cooperative-sticky" => groups::mixed(&client, "cooperative-sticky"),
        other => anyhow::bail!("{other} is no case"),
    }
}
