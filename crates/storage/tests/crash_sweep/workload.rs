//! What is done to the log engine: one script for each thing that a crash may interrupt.

use odradek_storage::disk::memory::MemoryDisk;
use odradek_storage::disk::memory::crash::{History, Kept};

use crate::fact::Timed;
use crate::host::COMPACTED;
use crate::run::Run;

/// A finished run.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) disk: MemoryDisk,
    pub(crate) facts: Vec<Timed>,
}

impl Workload {
    /// Everything that happened to the file system.
    pub(crate) fn history(&self) -> History {
        self.disk.history()
    }

    pub(crate) fn all() -> Vec<(&'static str, Self)> {
        vec![
            ("append and flush", Self::append()),
            ("roll", Self::roll()),
            ("retention", Self::retention()),
            ("checkpoint", Self::checkpoint()),
            ("topic deletion", Self::topic_deletion()),
            ("truncation", Self::truncation()),
            ("clean stop", Self::clean_stop()),
            ("process death", Self::process_death()),
            ("power loss", Self::power_loss()),
            ("lost indexes", Self::lost_indexes()),
            ("creation cut short", Self::creation_cut_short()),
            ("power loss with a hole", Self::power_loss_with_a_hole()),
            (
                "process death in retention",
                Self::process_death_in_retention(),
            ),
            ("compaction", Self::compaction()),
            (
                "process death in compaction",
                Self::process_death_in_compaction(),
            ),
        ]
    }

    pub(crate) fn append() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.append_some("clicks", 1);
        run.new_leader_epoch("clicks");
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.append_some("clicks", 1);
        run.finish()
    }

    pub(crate) fn roll() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 2);
        run.roll("clicks");
        run.append("clicks", &[(1, 1, 50)]);
        run.flush("clicks");
        run.new_leader_epoch("clicks");
        run.append_some("clicks", 1);
        run.roll("clicks");
        run.flush_in_background("clicks");
        run.checkpoint();
        run.append("clicks", &[(1, 1, 2000), (2, 1, 1500), (1, 1, 300)]);
        run.append("clicks", &[(2, 1, 50)]);
        run.finish()
    }

    pub(crate) fn retention() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 2);
        run.new_leader_epoch("clicks");
        run.append_some("clicks", 2);
        run.new_leader_epoch("clicks");
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.checkpoint();
        run.delete_records("clicks", 2);
        run.append("clicks", &[(1, 1, 400)]);
        run.retain("clicks", 3000);
        run.append("clicks", &[(1, 1, 400), (1, 1, 400)]);
        run.roll("clicks");
        // Now no segment has a batch of producer 2.
        run.append("clicks", &[(1, 1, 400)]);
        run.retain("clicks", 300);
        run.append("clicks", &[(1, 1, 400)]);
        run.flush_in_background("clicks");
        run.checkpoint();
        run.append("clicks", &[(1, 1, 400)]);
        run.finish()
    }

    pub(crate) fn checkpoint() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.create("views");
        run.append_some("clicks", 2);
        run.append_some("views", 1);
        run.flush_in_background("clicks");
        run.checkpoint();
        run.append_some("clicks", 1);
        run.new_leader_epoch("clicks");
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.flush_in_background("views");
        run.checkpoint();
        run.append_some("views", 1);
        run.finish()
    }

    pub(crate) fn topic_deletion() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 2);
        run.flush("clicks");
        run.checkpoint();
        run.create("views");
        run.append("views", &[(1, 1, 100)]);
        run.delete("clicks");
        run.append("views", &[(1, 1, 100)]);
        run.create("clicks");
        run.append("clicks", &[(2, 1, 300)]);
        run.flush("clicks");
        run.append("clicks", &[(2, 1, 300)]);
        run.checkpoint();
        run.finish()
    }

    pub(crate) fn truncation() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        for _ in 0..5 {
            run.append("clicks", &[(1, 1, 300)]);
        }
        run.roll("clicks");
        run.append(
            "clicks",
            &[(1, 1, 300), (2, 1, 300), (1, 1, 300), (0, 1, 300)],
        );
        run.flush_in_background("clicks");
        run.checkpoint();
        run.truncate("clicks", 4);
        // Up to the very offsets at which a segment, and then a snapshot, were cut off.
        run.append("clicks", &[(1, 1, 300)]);
        run.append(
            "clicks",
            &[(4, 1, 300), (1, 1, 300), (5, 1, 300), (4, 1, 300)],
        );
        run.append("clicks", &[(4, 1, 900)]);
        run.flush_in_background("clicks");
        run.truncate("clicks", 8);
        run.new_leader_epoch("clicks");
        run.append("clicks", &[(4, 1, 900)]);
        run.flush("clicks");
        run.checkpoint();
        run.append("clicks", &[(4, 1, 900)]);
        run.finish()
    }

    pub(crate) fn clean_stop() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 2);
        run.stop();
        run.start();
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.checkpoint();
        run.append("clicks", &[(1, 1, 10)]);
        run.stop();
        run.finish()
    }

    pub(crate) fn process_death() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 2);
        run.flush("clicks");
        run.roll("clicks");
        run.append_some("clicks", 1);
        run.kill();
        run.start();
        run.append_some("clicks", 1);
        run.flush_in_background("clicks");
        run.checkpoint();
        run.append("clicks", &[(1, 1, 400)]);
        run.finish()
    }

    pub(crate) fn power_loss() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 1);
        run.flush_in_background("clicks");
        run.checkpoint();
        run.append_some("clicks", 2);
        let rolled_at = run.log("clicks").view().log_end_offset();
        run.roll("clicks");
        run.append_some("clicks", 1);
        // The first write that was not synced is torn; what came after it, is not.
        run.lose_power(|point, index| {
            let torn = (0..point.unsynced()).find(|index| point.tears(*index) > 0);
            if Some(index) == torn {
                Kept::SectorsBefore(0)
            } else {
                Kept::Whole
            }
        });
        run.start();
        // Up to the very offset at which recovery removed a segment.
        while run.log("clicks").view().log_end_offset() < rolled_at {
            run.append("clicks", &[(1, 1, 30)]);
        }
        run.append("clicks", &[(1, 1, 400)]);
        run.flush_in_background("clicks");
        run.append("clicks", &[(1, 1, 400)]);
        run.finish()
    }

    pub(crate) fn power_loss_with_a_hole() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append("clicks", &[(1, 1, 300)]);
        run.flush("clicks");
        run.append("clicks", &[(0, 1, 900)]);
        run.append("clicks", &[(0, 1, 900)]);
        // The first of the two writes is lost, the second one is not.
        let last = run.disk.event_count() - 1;
        run.lose_power(|point, index| {
            if point.unsynced_id(index) == last - 1 {
                Kept::Nothing
            } else {
                Kept::Whole
            }
        });
        run.start();
        // As long as the one that was lost: what comes behind it must not come back.
        run.append("clicks", &[(0, 1, 900)]);
        run.append("clicks", &[(1, 1, 300)]);
        run.flush("clicks");
        run.finish()
    }

    pub(crate) fn process_death_in_retention() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 1);
        run.new_leader_epoch("clicks");
        run.append_some("clicks", 1);
        run.roll("clicks");
        run.append_some("clicks", 1);
        run.retain("clicks", 1000);
        let history = run.disk.history();
        run.was_killed_at(history.events_before_sync("timeindex.deleted").unwrap());
        run.start();
        run.new_leader_epoch("clicks");
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.finish()
    }

    /// Three segments, the first two of which fit into one.
    pub(crate) fn to_be_compacted() -> Run {
        let mut run = Run::new();
        run.create(COMPACTED);
        run.append_some(COMPACTED, 1);
        run.roll(COMPACTED);
        run.append(COMPACTED, &[(1, 3, 200), (0, 3, 300)]);
        run.new_leader_epoch(COMPACTED);
        run.append(COMPACTED, &[(0, 1, 50), (3, 2, 100)]);
        run.roll(COMPACTED);
        run.append_some(COMPACTED, 2);
        run.roll(COMPACTED);
        run.append(COMPACTED, &[(1, 1, 40)]);
        // What is synced is not scanned, and its indexes are believed.
        run.flush_in_background(COMPACTED);
        run.checkpoint();
        run
    }

    pub(crate) fn compaction() -> Self {
        let mut run = Self::to_be_compacted();
        run.clean(COMPACTED);
        run.append(COMPACTED, &[(1, 2, 300)]);
        run.roll(COMPACTED);
        run.append(COMPACTED, &[(2, 1, 30)]);
        run.clean(COMPACTED);
        run.append(COMPACTED, &[(1, 1, 30)]);
        run.finish()
    }

    pub(crate) fn process_death_in_compaction() -> Self {
        let mut run = Self::to_be_compacted();
        run.clean(COMPACTED);
        let history = run.disk.history();
        // Two segments have left, the one in their place has not its name yet.
        let site = "remove *.snapshot (cleaner";
        run.was_killed_at(history.events_before_sync(site).unwrap());
        run.start();
        run.append(COMPACTED, &[(1, 1, 300)]);
        run.roll(COMPACTED);
        run.append(COMPACTED, &[(2, 1, 30)]);
        run.flush(COMPACTED);
        run.finish()
    }

    pub(crate) fn lost_indexes() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 3);
        run.roll("clicks");
        run.append_some("clicks", 1);
        run.flush_in_background("clicks");
        run.checkpoint();
        run.stop();
        run.lose_file("00000000000000000000.timeindex");
        run.lose_power(|_, _| Kept::Whole);
        run.start();
        run.append("clicks", &[(1, 1, 400)]);
        run.flush("clicks");
        run.finish()
    }

    pub(crate) fn creation_cut_short() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.lose_file("partition.metadata");
        run.lose_power(|_, _| Kept::Whole);
        run.start();
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.finish()
    }
}
