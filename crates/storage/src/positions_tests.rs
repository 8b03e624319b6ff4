#![allow(clippy::unwrap_used)]

use super::*;

const ANYTHING: Wanted = Wanted {
    relative_offset: 0,
    upper_relative_offset: u32::MAX,
    max_bytes: u32::MAX,
    at_least_one: true,
};

fn start(relative_offset: u32, position: u32) -> BatchStart {
    BatchStart {
        relative_offset,
        position,
    }
}

fn big_budget() -> PositionBudget {
    PositionBudget::new(1 << 20)
}

/// Appends one batch of ten offsets for each size, and returns where each starts, and the end.
fn append(
    positions: &Arc<SegmentPositions>,
    budget: &PositionBudget,
    sizes: &[u32],
) -> Vec<BatchStart> {
    let mut at = positions.end();
    let mut starts = Vec::new();
    for size in sizes {
        starts.push(at);
        at = start(at.relative_offset + 10, at.position + size);
    }
    positions.append(budget, starts.iter().copied(), at);
    starts.push(at);
    starts
}

#[test]
fn a_range_starts_at_the_wanted_batch_and_ends_at_the_last_that_fits() {
    let budget = big_budget();
    let positions = SegmentPositions::new(start(0, 0));
    let starts = append(&positions, &budget, &[100, 100, 100, 100]);
    let find = |wanted| match positions.find(&budget, &wanted) {
        Found::Range { start, end, .. } => (start, end),
        other => panic!("{other:?}"),
    };
    let from_second = Wanted {
        relative_offset: 10,
        ..ANYTHING
    };
    assert_eq!(find(from_second), (starts[1], starts[4]));
    assert_eq!(
        find(Wanted {
            max_bytes: 299,
            ..from_second
        }),
        (starts[1], starts[3])
    );
    let bounded = Wanted {
        upper_relative_offset: 20,
        ..from_second
    };
    assert_eq!(find(bounded), (starts[1], starts[2]));
}

#[test]
fn the_first_batch_comes_even_if_it_is_too_large_but_only_if_asked_for() {
    let budget = big_budget();
    let positions = SegmentPositions::new(start(0, 0));
    let starts = append(&positions, &budget, &[100, 100]);
    let tight = Wanted {
        max_bytes: 1,
        ..ANYTHING
    };
    let hot = true;
    assert_eq!(
        positions.find(&budget, &tight),
        Found::Range {
            start: starts[0],
            end: starts[1],
            hot
        }
    );
    let none = Wanted {
        at_least_one: false,
        ..tight
    };
    assert_eq!(positions.find(&budget, &none), Found::Nothing);
    let above_upper = Wanted {
        upper_relative_offset: 9,
        ..tight
    };
    assert_eq!(positions.find(&budget, &above_upper), Found::Nothing);
}

#[test]
fn an_offset_inside_a_batch_is_not_known() {
    let budget = big_budget();
    let positions = SegmentPositions::new(start(0, 0));
    append(&positions, &budget, &[100, 100]);
    let inside = Wanted {
        relative_offset: 5,
        ..ANYTHING
    };
    assert_eq!(positions.find(&budget, &inside), Found::Unknown);
}

#[test]
fn what_was_there_before_the_first_append_is_not_known() {
    let budget = big_budget();
    let positions = SegmentPositions::new(start(500, 9000));
    append(&positions, &budget, &[100]);
    assert_eq!(positions.find(&budget, &ANYTHING), Found::Unknown);
    let new = Wanted {
        relative_offset: 500,
        ..ANYTHING
    };
    assert!(matches!(positions.find(&budget, &new), Found::Range { .. }));
}

/// Small batches, large ones and mixtures: whatever is found must be true, and a reader that
/// follows the ends of its ranges never needs the disk.
#[test]
fn a_reader_that_starts_at_a_known_batch_reads_to_the_end_without_the_disk() {
    let mut random = 1_u32;
    let mut next_random = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        random >> 8
    };
    for largest in [100, 5_000, 70_000, 300_000] {
        let budget = big_budget();
        let positions = SegmentPositions::new(start(0, 0));
        let sizes: Vec<u32> = (0..2000).map(|_| 61 + next_random() % largest).collect();
        let mut starts = Vec::new();
        for group in sizes.chunks(7) {
            starts.pop();
            starts.extend(append(&positions, &budget, group));
        }
        for sealed in [false, true] {
            if sealed {
                positions.seal(&budget);
            }
            for max_bytes in [64 << 10, 1 << 20] {
                let mut wanted = Wanted {
                    max_bytes,
                    ..ANYTHING
                };
                while wanted.relative_offset < positions.end().relative_offset {
                    let Found::Range { start, end, .. } = positions.find(&budget, &wanted) else {
                        panic!("lost at {wanted:?}, largest batch {largest}");
                    };
                    assert_eq!(start.relative_offset, wanted.relative_offset);
                    assert!(starts.contains(&start) && starts.contains(&end));
                    let batches = (end.relative_offset - start.relative_offset) / 10;
                    assert!(end.position - start.position <= max_bytes || batches == 1);
                    wanted.relative_offset = end.relative_offset;
                }
            }
        }
    }
}

#[test]
fn a_reader_that_waited_at_the_end_is_remembered_while_many_small_batches_come() {
    let budget = big_budget();
    let positions = SegmentPositions::new(start(0, 0));
    append(&positions, &budget, &[100; 5]);
    let waiting = Wanted {
        relative_offset: 50,
        upper_relative_offset: 50,
        ..ANYTHING
    };
    assert_eq!(positions.find(&budget, &waiting), Found::Nothing);
    for _ in 0..10 {
        append(&positions, &budget, &[100; 100]);
    }
    let wanted = Wanted {
        relative_offset: 50,
        ..ANYTHING
    };
    let Found::Range { start, .. } = positions.find(&budget, &wanted) else {
        panic!()
    };
    assert_eq!(start.position, 500);
}

#[test]
fn a_truncated_segment_goes_on_at_its_new_end() {
    let budget = big_budget();
    let positions = SegmentPositions::new(start(0, 0));
    let starts = append(&positions, &budget, &[40_000; 600]);
    positions.truncate(starts[300]);
    assert_eq!(positions.end(), starts[300]);
    append(&positions, &budget, &[100; 2]);
    let wanted = Wanted {
        relative_offset: 3000,
        ..ANYTHING
    };
    let Found::Range { start, end, .. } = positions.find(&budget, &wanted) else {
        panic!()
    };
    assert_eq!((start, end.relative_offset), (starts[300], 3020));
}

#[test]
fn the_oldest_positions_of_all_segments_are_forgotten_first() {
    let budget = PositionBudget::new(4 * CHUNK_POSITIONS * size_of::<BatchStart>());
    let segments: Vec<_> = (0..3).map(|_| SegmentPositions::new(start(0, 0))).collect();
    for segment in &segments {
        // 700 of these leave the recent ones: two chunks and a begun one.
        append(segment, &budget, &[SPARSE_BYTES; 700 + RECENT_BATCHES]);
    }
    let chunks: Vec<usize> = segments
        .iter()
        .map(|segment| segment.known.read().sparse.len())
        .collect();
    assert_eq!(chunks, [0, 1, 3]);
    let first = Wanted {
        max_bytes: SPARSE_BYTES,
        ..ANYTHING
    };
    assert_eq!(segments[0].find(&budget, &first), Found::Unknown);
    assert!(matches!(
        segments[2].find(&budget, &first),
        Found::Range { .. }
    ));
}

#[test]
fn only_what_the_process_appended_last_is_hot() {
    let budget = big_budget();
    let old = SegmentPositions::new(start(0, 0));
    let new = SegmentPositions::new(start(0, 0));
    let is_hot = |positions: &Arc<SegmentPositions>, relative_offset| {
        let wanted = Wanted {
            relative_offset,
            ..ANYTHING
        };
        match positions.find(&budget, &wanted) {
            Found::Range { hot, .. } => hot,
            other => panic!("{other:?}"),
        }
    };
    let append_mib = |positions, count| {
        for _ in 0..count {
            append(positions, &budget, &[1 << 20]);
        }
    };
    append_mib(&old, 2);
    assert!(is_hot(&old, 0));
    append_mib(&new, 63);
    assert!(!is_hot(&old, 0));
    assert!(is_hot(&old, 10), "the second MiB is among the last 64");
    append_mib(&new, 2);
    assert!(!is_hot(&old, 10));
    assert!(!is_hot(&new, 0));
    assert!(is_hot(&new, 10));
}
