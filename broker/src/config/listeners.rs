//! Listeners: where the broker listens, what it tells clients to dial, and which name means what.
//!
//! Kafka's rules, tied over six keys: every listener has a name; a map gives the name a security
//! protocol; some names belong to the controllers; one of the others carries the traffic between
//! brokers; clients are told the advertised address of the name they came in by. An address that
//! means "every interface" is good for listening and useless for telling, so it needs an advertised
//! one beside it.

use std::{collections::BTreeMap, fmt};

use super::check::{Problem, Settings};

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name, an IPv4 or an IPv6 address (without brackets); empty for every interface.
    pub host: String,
    /// `0` for any free port.
    pub port: u16,
}

impl fmt::Display for Address {
    /// `host:port`, with brackets around IPv6, as it is written in a configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// One listener for clients and brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its name, in capitals.
    pub name: String,
    /// Where it listens.
    pub bind: Address,
    /// What clients are told to dial. On port `0` it is the port that was bound.
    pub advertised: Address,
}

impl Listener {
    /// What clients are told to dial, once the listening port is known.
    pub fn advertised_on(&self, bound_port: u16) -> Address {
        let port = if self.advertised.port == 0 {
            bound_port
        } else {
            self.advertised.port
        };
        Address {
            host: self.advertised.host.clone(),
            port,
        }
    }
}

/// The listeners of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listeners {
    /// The ones the broker opens; never empty. Listeners of the controllers are not among them.
    pub open: Vec<Listener>,
    /// The name of the one that brokers use among themselves.
    pub inter_broker: String,
}

impl Address {
    /// Reads `host:port` or `[ipv6]:port`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._%:".contains(c);
        let host = match bare {
            Some(host) if host.contains(':') => host,
            None if !host.contains(':') => host,
            _ => return None,
        };
        let port = port.parse().ok()?;
        host.chars().all(legal).then(|| Self {
            host: host.to_owned(),
            port,
        })
    }

    /// Whether it names no machine in particular.
    fn is_every_interface(&self) -> bool {
        matches!(
            self.host.as_str(),
            "" | "0.0.0.0" | "::" | "0:0:0:0:0:0:0:0"
        )
    }
}

/// Applies the rules. `None` exactly when a problem was added.
pub(super) fn resolve(settings: &Settings, problems: &mut Vec<Problem>) -> Option<Listeners> {
    let before = problems.len();
    let bound = endpoints(settings, "listeners", problems);
    let advertised = endpoints(settings, "advertised.listeners", problems);
    let controllers: Vec<_> = settings
        .list("controller.listener.names")
        .map(str::to_ascii_uppercase)
        .collect();
    let protocols = protocols(settings, problems);
    check_ports(settings, &bound, problems);

    let mut open = Vec::new();
    for (name, bind) in bound.iter().filter(|(name, _)| !controllers.contains(name)) {
        check_protocol(settings, name, &protocols, problems);
        let told = advertised.iter().find(|(other, _)| other == name);
        if told.is_none() && bind.is_every_interface() {
            problems.push(settings.problem(
                "listeners",
                format!("{name}://{bind} listens on every interface, which no client can dial"),
                &format!(
                    "add advertised.listeners={name}://<host clients use>:{}",
                    bind.port
                ),
            ));
        }
        let advertised = told.map_or(bind, |(_, address)| address).clone();
        open.push(Listener {
            name: name.clone(),
            bind: bind.clone(),
            advertised,
        });
    }
    check_advertised(settings, &bound, &advertised, problems);
    if open.is_empty() && problems.len() == before {
        problems.push(settings.problem(
            "listeners",
            "there is no listener for clients".to_owned(),
            "add one, for example listeners=PLAINTEXT://127.0.0.1:9092",
        ));
    }
    if problems.len() > before {
        return None;
    }
    let inter_broker = inter_broker(settings, &open, &protocols, problems);
    (problems.len() == before).then_some(Listeners {
        open,
        inter_broker: inter_broker?,
    })
}

/// Reads a list of `NAME://host:port`.
fn endpoints(
    settings: &Settings,
    key: &str,
    problems: &mut Vec<Problem>,
) -> Vec<(String, Address)> {
    let mut found: Vec<(String, Address)> = Vec::new();
    for text in settings.list(key) {
        let parsed = text.split_once("://").and_then(|(name, address)| {
            let name = name.to_ascii_uppercase();
            (!name.is_empty()).then_some((name, Address::parse(address)?))
        });
        let Some((name, address)) = parsed else {
            problems.push(settings.problem(
                key,
                format!("\"{text}\" is not a listener"),
                "write it as NAME://host:port, for example PLAINTEXT://127.0.0.1:9092",
            ));
            continue;
        };
        if found.iter().any(|(other, _)| *other == name) {
            problems.push(settings.problem(
                key,
                format!("the listener name {name} stands there twice"),
                "give each listener its own name and map it in listener.security.protocol.map",
            ));
        }
        found.push((name, address));
    }
    found
}

fn protocols(settings: &Settings, problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    const KEY: &str = "listener.security.protocol.map";
    let mut protocols = BTreeMap::new();
    for text in settings.list(KEY) {
        let known =
            |protocol: &str| ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"].contains(&protocol);
        match text
            .split_once(':')
            .map(|(n, p)| (n.trim(), p.trim().to_ascii_uppercase()))
        {
            Some((name, protocol)) if !name.is_empty() && known(&protocol) => {
                protocols.insert(name.to_ascii_uppercase(), protocol);
            }
            _ => problems.push(settings.problem(
                KEY,
                format!("\"{text}\" maps no name to a security protocol"),
                "write it as NAME:PROTOCOL with PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
            )),
        }
    }
    protocols
}

fn check_protocol(
    settings: &Settings,
    name: &str,
    protocols: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) {
    match protocols.get(name).map(String::as_str) {
        Some("PLAINTEXT") => {}
        Some(protocol) => problems.push(settings.problem(
            "listeners",
            format!("the listener {name} asks for {protocol}, which is not supported yet"),
            "use PLAINTEXT on a network you trust",
        )),
        None => problems.push(settings.problem(
            "listeners",
            format!("the listener {name} has no security protocol"),
            &format!("add {name}:PLAINTEXT to listener.security.protocol.map"),
        )),
    }
}

/// Two listeners may share a port only when one is an IPv4 and one an IPv6 address, as in Kafka.
fn check_ports(settings: &Settings, bound: &[(String, Address)], problems: &mut Vec<Problem>) {
    for (index, (name, address)) in bound.iter().enumerate() {
        let rival = bound.iter().take(index).find(|(_, other)| {
            other.port == address.port
                && other.port != 0
                && other.host.contains(':') == address.host.contains(':')
        });
        if let Some((other, _)) = rival {
            problems.push(settings.problem(
                "listeners",
                format!("{other} and {name} both want port {}", address.port),
                "give each listener a port of its own",
            ));
        }
    }
}

fn check_advertised(
    settings: &Settings,
    bound: &[(String, Address)],
    advertised: &[(String, Address)],
    problems: &mut Vec<Problem>,
) {
    const KEY: &str = "advertised.listeners";
    for (name, address) in advertised {
        if address.is_every_interface() {
            problems.push(settings.problem(
                KEY,
                format!("{name}://{address} is not an address a client can dial"),
                "name the host or the address by which clients reach this machine",
            ));
        }
        if !bound.iter().any(|(other, _)| other == name) {
            problems.push(settings.problem(
                KEY,
                format!("there is no listener named {name}"),
                &format!("add {name}://host:port to listeners, or remove it here"),
            ));
        }
    }
}

fn inter_broker(
    settings: &Settings,
    open: &[Listener],
    protocols: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    const NAME: &str = "inter.broker.listener.name";
    const PROTOCOL: &str = "security.inter.broker.protocol";
    if let Some(name) = settings.text(NAME).map(str::to_ascii_uppercase) {
        if settings.is_written(PROTOCOL) {
            problems.push(settings.problem(
                PROTOCOL,
                format!("it says the same as {NAME}"),
                "keep only one of the two",
            ));
        }
        if open.iter().all(|listener| listener.name != name) {
            problems.push(settings.problem(
                NAME,
                format!("{name} is not a listener of this broker"),
                "name one of listeners that is not in controller.listener.names",
            ));
        }
        return Some(name);
    }
    let protocol = settings.text(PROTOCOL);
    let speaks = |name: &str| protocols.get(name).map(String::as_str) == protocol;
    let found = open.iter().find(|listener| speaks(&listener.name));
    if found.is_none() {
        problems.push(settings.problem(
            PROTOCOL,
            format!("no listener speaks {}", protocol.unwrap_or_default()),
            &format!("name the listener brokers use in {NAME}"),
        ));
    }
    found.map(|listener| listener.name.clone())
}
