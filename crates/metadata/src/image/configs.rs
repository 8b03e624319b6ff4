//! Configs set explicitly, by resource. Defaults and `server.properties` are not here.

use std::sync::Arc;

use imbl::OrdMap;

/// What a config belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// A topic, by name.
    Topic,
    /// A broker, by id in decimal; the empty name is the default of all brokers.
    Broker,
}

impl ResourceKind {
    /// Kafka's number for it, on the wire and in records.
    pub const fn code(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
        }
    }

    /// The kind with that number.
    pub const fn from_code(code: i8) -> Option<Self> {
        match code {
            2 => Some(Self::Topic),
            4 => Some(Self::Broker),
            _ => None,
        }
    }
}

/// One resource that can carry configs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// Topic or broker.
    pub kind: ResourceKind,
    /// Topic name or broker id.
    pub name: Arc<str>,
}

impl ConfigResource {
    /// The resource of a topic.
    pub fn topic(name: impl Into<Arc<str>>) -> Self {
        Self {
            kind: ResourceKind::Topic,
            name: name.into(),
        }
    }

    /// The resource of the defaults of all brokers.
    pub fn all_brokers() -> Self {
        Self {
            kind: ResourceKind::Broker,
            name: "".into(),
        }
    }

    /// The resource of a broker.
    pub fn broker(id: i32) -> Self {
        Self {
            kind: ResourceKind::Broker,
            name: id.to_string().into(),
        }
    }
}

/// The configs of one resource: key to value as text, sorted by key.
pub type ConfigMap = OrdMap<Arc<str>, Arc<str>>;

/// All explicitly set configs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigsImage {
    by_resource: OrdMap<ConfigResource, ConfigMap>,
}

impl ConfigsImage {
    /// The configs set on `resource`; empty when there are none.
    pub fn of(&self, resource: &ConfigResource) -> ConfigMap {
        self.by_resource.get(resource).cloned().unwrap_or_default()
    }

    /// The configs set on the topic `name`.
    pub fn of_topic(&self, name: &str) -> ConfigMap {
        self.of(&ConfigResource::topic(name))
    }

    /// Every resource that has configs, with them.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigResource, &ConfigMap)> {
        self.by_resource.iter()
    }

    /// Sets a key, or removes it when `value` is absent.
    pub(crate) fn set(
        &mut self,
        resource: &ConfigResource,
        key: Arc<str>,
        value: Option<Arc<str>>,
    ) {
        let mut configs = self.of(resource);
        match value {
            Some(value) => configs.insert(key, value),
            None => configs.remove(&key),
        };
        if configs.is_empty() {
            self.by_resource.remove(resource);
        } else {
            self.by_resource.insert(resource.clone(), configs);
        }
    }

    pub(crate) fn remove(&mut self, resource: &ConfigResource) {
        self.by_resource.remove(resource);
    }

    /// The resources whose configs differ from `older`.
    pub fn changed_since(&self, older: &Self) -> Vec<ConfigResource> {
        use imbl::ordmap::DiffItem;
        older
            .by_resource
            .diff(&self.by_resource)
            .map(|item| match item {
                DiffItem::Add(resource, _)
                | DiffItem::Remove(resource, _)
                | DiffItem::Update {
                    new: (resource, _), ..
                } => resource.clone(),
            })
            .collect()
    }
}
