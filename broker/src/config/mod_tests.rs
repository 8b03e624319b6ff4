//! What a user writes, and the configuration or the messages that come of it.
#![allow(clippy::unwrap_used)]

use super::{check::Problems, *};

fn surroundings() -> Surroundings {
    Surroundings {
        data_home: None,
        home: Some("/home/someone".into()),
    }
}

fn load_text(text: &str) -> Result<Loaded, Problems> {
    load::build(
        raw::parse_properties("f", text).unwrap(),
        Vec::new(),
        &surroundings(),
    )
}

fn config(text: &str) -> Config {
    load_text(text).unwrap().config
}

/// The problems of a text, one line each.
fn problems(text: &str) -> Vec<String> {
    load_text(text)
        .unwrap_err()
        .0
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[track_caller]
fn check_refused(text: &str, words: &[&str]) {
    let problems = problems(text);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    for word in words {
        assert!(
            problems[0].contains(word),
            "{word:?} is not in {:?}",
            problems[0]
        );
    }
}

#[test]
fn no_configuration_at_all_runs_a_laptop() {
    let loaded = load(None, &[], &surroundings()).unwrap();
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    assert_eq!(config.node_id, 1);
    assert_eq!(config.listeners.open[0].bind.to_string(), "127.0.0.1:9092");
    assert_eq!(
        config.listeners.open[0].advertised_on(9092).to_string(),
        "127.0.0.1:9092"
    );
    assert_eq!(config.listeners.inter_broker, "PLAINTEXT");
    assert_eq!(config.admin_listener.unwrap().to_string(), "127.0.0.1:9644");
    assert_eq!(
        config.storage.directory,
        PathBuf::from("/home/someone/.local/share/odradek")
    );
    assert_eq!(config.network.idle_timeout, Some(Duration::from_mins(10)));
    assert!(config.topics.auto_create);
}

#[test]
fn the_shipped_file_says_what_the_defaults_are() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/server.properties");
    let loaded = load(Some(path.as_ref()), &[], &surroundings()).unwrap();
    assert_eq!(loaded.warnings, []);
    for setting in loaded.config.settings.iter() {
        let written = setting.origin != raw::Origin::Default;
        assert!(
            !written || setting.shown_value() == setting.key.default,
            "{setting:?}"
        );
    }
}

#[test]
fn the_data_folder_is_the_written_one_or_one_in_the_home_folder() {
    assert_eq!(config("log.dirs=/d").storage.directory, PathBuf::from("/d"));
    assert_eq!(config("log.dir=/e").storage.directory, PathBuf::from("/e"));
    assert_eq!(
        config("log.dir=/e\nlog.dirs=/d").storage.directory,
        PathBuf::from("/d")
    );
    check_refused(
        "log.dirs=/a, /b",
        &["f:1: log.dirs", "2 folders", "keep one"],
    );

    let nowhere = Surroundings::default();
    let error = load(None, &[], &nowhere).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("log.dirs: there is no home folder"),
        "{error}"
    );
    let with_home = Surroundings {
        data_home: Some("/data".into()),
        ..surroundings()
    };
    let loaded = load(None, &[], &with_home).unwrap();
    assert_eq!(
        loaded.config.storage.directory,
        PathBuf::from("/data/odradek")
    );
}

#[test]
fn an_override_wins_over_the_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "num.partitions=3\nnode.id=4\n").unwrap();
    let overrides = ["num.partitions=6".to_owned(), "broker.rack = a".to_owned()];
    let config = load(Some(file.path()), &overrides, &surroundings())
        .unwrap()
        .config;
    assert_eq!((config.topics.partitions, config.node_id), (6, 4));
    assert_eq!(config.rack.as_deref(), Some("a"));
}

#[test]
fn all_problems_come_at_once_each_with_its_place_and_a_remedy() {
    let overrides = ["oops".to_owned(), "listners=x".to_owned()];
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        &file,
        "num.partitions=none\nlog.segment.bytes=14\nlog.dirs=/a,/b\n",
    )
    .unwrap();
    let error = load(Some(file.path()), &overrides, &surroundings()).unwrap_err();
    let shown = error.to_string();
    for part in [
        "cannot start: 5 problems",
        ":1: num.partitions: \"none\" is not a legal value; it must be a whole number, 1 or more",
        ":2: log.segment.bytes: \"14\" is not a legal value; it must be",
        ":3: log.dirs: it names 2 folders",
        "--override oops: there is no key; write it as key=value",
        "--override: listners: there is no such key; did you mean listeners?",
    ] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
}

#[test]
fn a_missing_file_says_what_to_do() {
    let error = load(Some("/nowhere/at.all".as_ref()), &[], &surroundings()).unwrap_err();
    assert!(error.to_string().contains("check the path"), "{error}");
}

#[test]
fn keys_of_kafka_without_effect_cost_one_warning_and_their_defaults_none() {
    let text = "zookeeper.connect=z:1\nbackground.threads=10\nbackground.threads=5\n\
                listener.name.plaintext.x=1";
    let warnings: Vec<_> = load_text(text)
        .unwrap()
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        warnings,
        [
            "f:1: zookeeper.connect: no effect. Apache Kafka removed it in version 4.0 or earlier.",
            "f:3: background.threads: written on line 2 already; this later line wins",
            "f:3: background.threads: no effect. This broker has no such thread, queue or file.",
            "f:4: listener.name.plaintext.x: no effect. \
         Settings of a single listener are not supported yet.",
        ]
    );
}

#[test]
fn security_that_is_not_there_is_refused_and_secrets_are_not_repeated() {
    check_refused(
        "authorizer.class.name=org.Acl",
        &["authorizer.class.name", "no authoriser"],
    );
    let shown = problems("ssl.keystore.password=hunter2").join("");
    assert!(
        shown.contains("[hidden]") && !shown.contains("hunter2"),
        "{shown}"
    );
    let loaded = load_text("delegation.token.secret.key=hunter2").unwrap();
    assert!(!format!("{loaded:?}").contains("hunter2"));
}

#[test]
fn listeners_may_advertise_other_addresses_under_the_same_names() {
    let config = config(
        "listeners=INSIDE://0.0.0.0:9092,OUTSIDE://[::]:0\n\
         advertised.listeners=INSIDE://broker.local:9092,outside://[2001:db8::1]:0\n\
         listener.security.protocol.map=INSIDE:PLAINTEXT,OUTSIDE:plaintext\n\
         inter.broker.listener.name=outside",
    );
    let [inside, outside] = &config.listeners.open[..] else {
        panic!("{config:?}")
    };
    assert_eq!(inside.bind.to_string(), "0.0.0.0:9092");
    assert_eq!(inside.advertised_on(9092).to_string(), "broker.local:9092");
    assert_eq!(
        outside.advertised_on(40000).to_string(),
        "[2001:db8::1]:40000"
    );
    assert_eq!(config.listeners.inter_broker, "OUTSIDE");
}

#[test]
fn the_files_that_kafka_ships_start_once_an_address_is_advertised() {
    let config = config(
        "process.roles=broker,controller\nnode.id=1\n\
         controller.quorum.bootstrap.servers=localhost:9093\n\
         listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n\
         inter.broker.listener.name=PLAINTEXT\n\
         advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n\
         controller.listener.names=CONTROLLER\nlog.dirs=/tmp/d\n",
    );
    let names: Vec<_> = config
        .listeners
        .open
        .iter()
        .map(|l| l.name.as_str())
        .collect();
    assert_eq!(names, ["PLAINTEXT"]);
}

#[test]
fn listening_everywhere_without_an_advertised_address_is_refused_with_the_remedy() {
    for host in ["", "0.0.0.0", "[::]"] {
        let text = format!("listeners=PLAINTEXT://{host}:9092");
        check_refused(
            &text,
            &["add advertised.listeners=PLAINTEXT://<host clients use>:9092"],
        );
    }
    let text = "listeners=PLAINTEXT://:9092\nadvertised.listeners=PLAINTEXT://0.0.0.0:9092";
    check_refused(
        text,
        &[
            "f:2: advertised.listeners",
            "not an address a client can dial",
        ],
    );
}

#[test]
fn contradictions_between_listener_keys_are_refused() {
    check_refused("listeners=localhost:9092", &["NAME://host:port"]);
    check_refused("listeners=PLAINTEXT://h:99999", &["NAME://host:port"]);
    check_refused(
        "listeners=SSL://h:9092",
        &["SSL, which is not supported yet"],
    );
    check_refused("listeners=INSIDE://h:9092", &["add INSIDE:PLAINTEXT to"]);
    check_refused(
        "listeners=CONTROLLER://h:9093",
        &["no listener for clients"],
    );
    check_refused(
        "advertised.listeners=OTHER://h:1",
        &["no listener named OTHER"],
    );
    check_refused(
        "inter.broker.listener.name=CONTROLLER",
        &["not a listener of this broker"],
    );
    check_refused(
        "listeners=PLAINTEXT://h:1,CONTROLLER://h:1",
        &["PLAINTEXT and CONTROLLER both want port 1"],
    );
    check_refused(
        "inter.broker.listener.name=PLAINTEXT\nsecurity.inter.broker.protocol=PLAINTEXT",
        &["keep only one of the two"],
    );
}

#[test]
fn what_describes_a_cluster_is_refused_until_there_are_clusters() {
    check_refused("process.roles=broker", &["process.roles=broker,controller"]);
    check_refused(
        "controller.quorum.voters=1@a:1,2@b:1",
        &["not supported yet"],
    );
    check_refused("default.replication.factor=3", &["set it to 1"]);
}

#[test]
fn the_older_name_of_the_node_id_still_works() {
    assert_eq!(config("broker.id=7").node_id, 7);
    assert_eq!(config("broker.id=7\nnode.id=7").node_id, 7);
    check_refused("broker.id=7\nnode.id=8", &["keep only node.id"]);
}

#[test]
fn unbounded_and_automatic_values_become_none() {
    let config = config(
        "queued.max.request.bytes=-1\nconnections.max.idle.ms=-1\nsocket.send.buffer.bytes=-1\n\
         admin.listener=",
    );
    assert_eq!(config.network.request_bytes_budget, None);
    assert_eq!(config.network.idle_timeout, None);
    assert_eq!(config.network.send_buffer_bytes, None);
    assert_eq!(config.admin_listener, None);
}
