//! The admin port and the log lines: what people and machines learn about a broker.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
};

use odradek_tests::{
    broker::{Broker, Setup},
    http, wait,
};
use serde_json::Value;

use crate::{
    client::{create_topic, producer, read, send_all, values},
    wire::Wire,
};

/// `/v1/broker`.
pub(crate) fn status(broker: &Broker) -> Value {
    let (status, body) = http::get(broker.admin_port(), "/v1/broker").unwrap();
    assert_eq!(status, 200);
    serde_json::from_str(&body).unwrap()
}

/// The sum of a metric over all its labels; 0 if there is none.
pub(crate) fn metric(broker: &Broker, name: &str) -> f64 {
    let (status, body) = http::get(broker.admin_port(), "/metrics").unwrap();
    assert_eq!(status, 200);
    body.lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(name))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_answers_probes_scrapers_and_people() {
    let broker = Broker::start();
    create_topic(&broker, "seen", 3, &[]).await;
    let client = producer(&broker, &[]);
    send_all(&client, "seen", Some(1), &values("v", 10)).await;
    // Before the read: librdkafka asks for a coordinator, which makes a topic of its own.
    let status = status(&broker);
    read(&broker, "seen", 1, 0, 10);

    let get = |path| http::get(broker.admin_port(), path).unwrap().0;
    assert_eq!(
        (get("/livez"), get("/readyz"), get("/nowhere")),
        (200, 200, 404)
    );

    assert_eq!(
        (&status["node_id"], &status["partitions"]),
        (&1.into(), &3.into())
    );
    assert_eq!(status["stage"], "ready");
    assert_eq!(status["directory"], broker.log_dir().to_str().unwrap());
    assert_eq!(status["listeners"][0]["advertised"], broker.bootstrap());
    assert_eq!(status["recovery"]["previous_stop"], "never");
    for id in ["cluster_id", "directory_id", "version"] {
        assert!(!status[id].as_str().unwrap().is_empty(), "{id}");
    }

    let (_, metrics) = http::get(broker.admin_port(), "/metrics").unwrap();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(metrics.ends_with("# EOF\n"));
}

/// There is nothing to change here, so nothing that tries to is listened to.
#[test]
fn the_admin_port_is_for_reading_only() {
    let broker = Broker::start();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in ["/livez", "/readyz", "/metrics", "/v1/broker"] {
            let mut stream =
                TcpStream::connect((Ipv4Addr::LOCALHOST, broker.admin_port())).unwrap();
            write!(
                stream,
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
            )
            .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(
                answer.starts_with("HTTP/1.1 405"),
                "{method} {path}: {answer}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_leave_no_lines_at_info() {
    let broker = Broker::start();
    create_topic(&broker, "silent", 1, &[]).await;
    let client = producer(&broker, &[]);
    send_all(&client, "silent", Some(0), &values("warm", 1)).await;
    // librdkafka asks for a coordinator when it reads, and the first one makes a topic.
    read(&broker, "silent", 0, 0, 1);
    let before = wait::until("the topic of groups is made", || {
        let printed = broker.printed();
        printed
            .contains("created the topic of groups")
            .then_some(printed)
    });
    for _ in 0..5 {
        send_all(&client, "silent", Some(0), &values("v", 200)).await;
        read(&broker, "silent", 0, 0, 201);
        Wire::connect(&broker);
    }
    assert_eq!(broker.printed(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_are_json_objects_where_that_was_asked_for() {
    let mut broker = Setup::default().flags(&["--log-format", "json"]).start();
    create_topic(&broker, "machine", 1, &[]).await;
    // Something to complain about.
    let mut wire = Wire::connect(&broker);
    wire.stream.write_all(&[0, 0, 0, 4, 1, 2, 3, 4]).unwrap();
    assert!(wire.is_closed());
    assert!(broker.stop().success());
    let printed = broker.printed();
    assert!(!printed.is_empty());
    for line in printed.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        for field in ["timestamp", "level", "message"] {
            assert!(event[field].is_string(), "{field}: {line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_and_a_stop_are_told_in_a_few_readable_lines() {
    let mut broker = Broker::start();
    assert!(broker.stop().success());
    let printed = broker.printed();
    println!("{printed}");
    let lines = printed.lines().count();
    assert!((2..20).contains(&lines), "{printed}");
    assert!(printed.contains(&broker.bootstrap()), "{printed}");
    assert!(!printed.contains('\u{1b}'), "colours in a file: {printed}");
}
