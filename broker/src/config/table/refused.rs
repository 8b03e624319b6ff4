//! Keys that stop the start when they are set, because ignoring them would leave a broker that is
//! less safe, or elsewhere, than its file says.
//!
//! Their defaults are accepted in silence: many files spell them out.

use super::{Key, Kind, Status, Update};

const NO_AUTHORIZER: &str = "there is no authoriser yet, so every client that can connect may do \
     everything; remove the line and restrict who can reach the port";
const NO_TLS: &str = "TLS is not supported yet; remove the line and put the broker on a network \
     you trust";
const NO_SASL: &str = "SASL is not supported yet; remove the line and put the broker on a network \
     you trust";
const NO_PROVIDERS: &str = "values are taken as written and ${…} is not resolved; write the \
     values themselves";
const NO_TIERING: &str = "tiered storage is not supported; remove the line";

const fn refused(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    reason: &'static str,
) -> Key {
    Key {
        name,
        kind,
        default,
        status: Status::Refused(reason),
        update: Update::AtStart,
        doc: "",
    }
}

/// The keys, by what they would have protected.
pub const KEYS: &[Key] = &[
    refused("authorizer.class.name", Kind::Text, Some(""), NO_AUTHORIZER),
    refused("config.providers", Kind::List, Some(""), NO_PROVIDERS),
    refused(
        "remote.log.storage.system.enable",
        Kind::Boolean,
        Some("false"),
        NO_TIERING,
    ),
    refused("sasl.jaas.config", Kind::Password, None, NO_SASL),
    refused(
        "ssl.client.auth",
        Kind::Choice(&["required", "requested", "none"]),
        Some("none"),
        NO_TLS,
    ),
    refused("ssl.key.password", Kind::Password, None, NO_TLS),
    refused(
        "ssl.keystore.certificate.chain",
        Kind::Password,
        None,
        NO_TLS,
    ),
    refused("ssl.keystore.key", Kind::Password, None, NO_TLS),
    refused("ssl.keystore.location", Kind::Text, None, NO_TLS),
    refused("ssl.keystore.password", Kind::Password, None, NO_TLS),
    refused("ssl.truststore.certificates", Kind::Password, None, NO_TLS),
    refused("ssl.truststore.location", Kind::Text, None, NO_TLS),
    refused("ssl.truststore.password", Kind::Password, None, NO_TLS),
    refused(
        "early.start.listeners",
        Kind::List,
        None,
        "every listener opens once the broker can serve; remove the line",
    ),
    refused(
        "metadata.log.dir",
        Kind::Text,
        None,
        "the metadata log lives in the first folder of log.dirs; remove the line",
    ),
    refused(
        "cordoned.log.dirs",
        Kind::List,
        Some(""),
        "there is one data folder, and cordoning it would stop every new topic; remove the line",
    ),
    refused(
        "create.topic.policy.class.name",
        Kind::Class,
        None,
        "topic policies are Java classes and cannot run here; remove the line",
    ),
    refused(
        "alter.config.policy.class.name",
        Kind::Class,
        None,
        "configuration policies are Java classes and cannot run here; remove the line",
    ),
];
