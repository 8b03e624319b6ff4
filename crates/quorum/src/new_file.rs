//! How a file comes to be: complete under a temporary name, then renamed.
//!
//! The two halves fail differently. Before the rename nothing depends on the file, so a full disk
//! is an error that may pass. After it, a name may or may not be durable, and nobody may go on as
//! if it were not there.

use std::path::Path;

use crate::{
    disk::{Disk, DiskFile},
    error::{IoContext as _, LogError},
};

const SUFFIX: &str = ".new";

/// Writes `bytes` to a file that is not yet called `name`; its content is durable on return.
pub(crate) fn prepare(
    disk: &dyn Disk,
    directory: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<Box<dyn DiskFile>, LogError> {
    let path = directory.join(format!("{name}{SUFFIX}"));
    let written = (|| {
        let file = disk.create(&path).context("create", &path)?;
        file.write_at(0, bytes).context("write", &path)?;
        file.sync_data().context("sync", &path)?;
        Ok(file)
    })();
    if written.is_err() {
        // Gives the space back if it can; `open` removes such files too.
        let _ = disk.remove(&path);
    }
    written
}

/// Gives a prepared file its name; durable on return.
pub(crate) fn publish(disk: &dyn Disk, directory: &Path, name: &str) -> Result<(), LogError> {
    let from = directory.join(format!("{name}{SUFFIX}"));
    disk.rename(&from, &directory.join(name))
        .context("rename", &from)?;
    disk.sync_dir(directory)
        .context("sync directory", directory)
}

/// Removes what an interrupted [`prepare`] left.
pub(crate) fn remove_leftovers(
    disk: &dyn Disk,
    directory: &Path,
    names: &[String],
) -> Result<(), LogError> {
    for name in names.iter().filter(|name| name.ends_with(SUFFIX)) {
        let path = directory.join(name);
        disk.remove(&path).context("remove", &path)?;
    }
    Ok(())
}
