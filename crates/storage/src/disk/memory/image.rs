//! One state of the file system in memory, and the changes that lead from one to the next.
//!
//! A change may be applied to an image that lacks earlier ones: that is what a crash does. It then
//! has the effect that is left of it; nothing here fails or panics over a missing predecessor.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use super::EntryKind;

/// A file or directory, whatever names it has. Never used twice.
pub(super) type NodeId = u64;

const ROOT: NodeId = 0;

#[derive(Debug, Clone)]
pub(super) enum Node {
    File(Arc<Vec<u8>>),
    Directory(BTreeMap<String, NodeId>),
}

impl Node {
    pub(super) fn kind(&self) -> EntryKind {
        match self {
            Self::File(_) => EntryKind::File,
            Self::Directory(_) => EntryKind::Directory,
        }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::File(content) => content.len() as u64,
            Self::Directory(_) => 0,
        }
    }
}

/// What can happen to a file system.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write {
        file: NodeId,
        position: u64,
        data: Arc<[u8]>,
    },
    SetLen {
        file: NodeId,
        len: u64,
    },
    Create {
        dir: NodeId,
        name: String,
        node: NodeId,
        kind: EntryKind,
    },
    Rename {
        dir: NodeId,
        from: String,
        to: String,
        node: NodeId,
    },
    Remove {
        dir: NodeId,
        name: String,
    },
}

impl Change {
    /// The file or directory whose sync makes the change durable.
    pub(super) fn synced_by(&self) -> NodeId {
        match self {
            Self::Write { file, .. } | Self::SetLen { file, .. } => *file,
            Self::Create { dir, .. } | Self::Rename { dir, .. } | Self::Remove { dir, .. } => *dir,
        }
    }
}

/// A whole file system. Cheap to clone: contents are shared.
#[derive(Debug, Clone)]
pub(super) struct Image {
    nodes: BTreeMap<NodeId, Node>,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::Directory(BTreeMap::new()))]),
        }
    }
}

impl Image {
    pub(super) fn node(&self, node: NodeId) -> Option<&Node> {
        self.nodes.get(&node)
    }

    pub(super) fn file(&self, node: NodeId) -> io::Result<&Vec<u8>> {
        match self.nodes.get(&node) {
            Some(Node::File(content)) => Ok(content),
            Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn directory(&self, node: NodeId) -> io::Result<&BTreeMap<String, NodeId>> {
        match self.nodes.get(&node) {
            Some(Node::Directory(entries)) => Ok(entries),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn resolve(&self, path: &Path) -> io::Result<NodeId> {
        let names = path.components().filter_map(|component| match component {
            Component::Normal(name) => Some(name),
            _ => None,
        });
        let step = |node: NodeId, name: &OsStr| {
            let name = name.to_str().ok_or(io::ErrorKind::InvalidInput)?;
            let child = self.directory(node)?.get(name).copied();
            child.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        names.into_iter().try_fold(ROOT, step)
    }

    /// Bytes in all files that have a name.
    pub(super) fn used_bytes(&self) -> u64 {
        self.used_below(ROOT)
    }

    fn used_below(&self, node: NodeId) -> u64 {
        match self.nodes.get(&node) {
            Some(Node::File(content)) => content.len() as u64,
            Some(Node::Directory(entries)) => {
                entries.values().map(|child| self.used_below(*child)).sum()
            }
            None => 0,
        }
    }

    pub(super) fn unused_node(&self) -> NodeId {
        self.nodes.keys().next_back().map_or(ROOT, |last| last + 1)
    }

    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Write {
                file,
                position,
                data,
            } => self.write(*file, *position, data),
            Change::SetLen { file, len } => {
                self.content(*file)
                    .resize(usize::try_from(*len).expect("test files are small"), 0);
            }
            Change::Create {
                dir,
                name,
                node,
                kind,
            } => {
                self.nodes.entry(*node).or_insert_with(|| match kind {
                    EntryKind::File => Node::File(Arc::default()),
                    EntryKind::Directory => Node::Directory(BTreeMap::new()),
                });
                self.entries(*dir).insert(name.clone(), *node);
            }
            Change::Rename {
                dir,
                from,
                to,
                node,
            } => {
                let entries = self.entries(*dir);
                if entries.get(from) == Some(node) {
                    entries.remove(from);
                }
                entries.insert(to.clone(), *node);
            }
            Change::Remove { dir, name } => {
                self.entries(*dir).remove(name);
            }
        }
    }

    pub(super) fn write(&mut self, file: NodeId, position: u64, data: &[u8]) {
        let from = usize::try_from(position).expect("test files are small");
        let content = self.content(file);
        let end = from + data.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[from..end].copy_from_slice(data);
    }

    fn content(&mut self, file: NodeId) -> &mut Vec<u8> {
        match self
            .nodes
            .entry(file)
            .or_insert_with(|| Node::File(Arc::default()))
        {
            Node::File(content) => Arc::make_mut(content),
            Node::Directory(_) => unreachable!("a node never changes its kind"),
        }
    }

    fn entries(&mut self, dir: NodeId) -> &mut BTreeMap<String, NodeId> {
        match self
            .nodes
            .entry(dir)
            .or_insert_with(|| Node::Directory(BTreeMap::new()))
        {
            Node::Directory(entries) => entries,
            Node::File(_) => unreachable!("a node never changes its kind"),
        }
    }
}
