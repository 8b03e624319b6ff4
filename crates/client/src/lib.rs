//! A Kafka client in Rust, for this broker and for Apache Kafka.
//!
//! - [`producer`]: records to topics, in batches, repeated until acknowledged
//! - [`consumer`]: records of partitions that are assigned or shared in a group, from positions
//!   that can be moved and committed
//! - [`assignors`]: who of a group reads what
//! - [`admin`]: topics and offsets, each call a typed request with its results
//! - [`cluster`]: what is known of the cluster, and connections to its brokers
//! - [`config`], [`properties`]: configuration under Kafka's own names, unknown ones refused
//! - [`error`]: what failed, where, and whether asking again helps
//!
//! Everything is asynchronous and runs on the caller's tokio runtime; there is no C library.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use odradek_client::{Admin, ClientConfig, admin::topics::NewTopic};
//!
//! let config = ClientConfig::new(vec!["127.0.0.1:9092".parse()?]);
//! let admin = Admin::new(config);
//! for (name, created) in admin.create_topics(vec![NewTopic::new("orders").partitions(6)]).await? {
//!     println!("{name}: {:?}", created?.id);
//! }
//! # Ok(())
//! # }
//! ```

pub mod admin;
pub mod assignors;
mod by_topic;
mod clock;
pub mod cluster;
pub mod config;
pub mod consumer;
pub mod error;
pub mod producer;
pub mod properties;

pub use admin::Admin;
pub use config::ClientConfig;
pub use consumer::Consumer;
pub use error::Error;
pub use odradek_connection::{Address, CallError, ConnectError};
pub use odradek_protocol::{ErrorCode, Uuid, VersionRange, uuid_text::encode as uuid_text};
pub use producer::Producer;
pub use properties::Properties;
