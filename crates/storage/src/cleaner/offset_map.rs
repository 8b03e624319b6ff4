//! The last offset of every key, in memory of fixed size.
//!
//! A key is represented by 128 bits of hash, so an entry takes 24 bytes whatever the key. Two keys
//! with equal hashes would lose a record; with a billion keys the odds are one in 10^20. The hash
//! is keyed anew for each map, so that nobody can choose keys that collide.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Two words of hash, and the offset plus one; all zero while the slot is free.
type Slot = [u64; 3];

/// Memory for one key, in bytes.
pub(super) const SLOT_BYTES: usize = size_of::<Slot>();

/// The last known offset of each key.
#[derive(Debug)]
pub(super) struct OffsetMap {
    slots: Vec<Slot>,
    used: usize,
    used_max: usize,
    hashers: [RandomState; 2],
}

impl OffsetMap {
    /// Room for `keys` keys, or for fewer if that would take more than `bytes_max` of memory, of
    /// which at most the part `load_factor` is filled.
    pub(super) fn new(keys: u64, bytes_max: usize, load_factor: f64) -> Self {
        let load_factor = load_factor.clamp(0.1, 0.95);
        let slots_max = (bytes_max / SLOT_BYTES).max(2);
        let slots_wanted = ((keys as f64 / load_factor) as usize).saturating_add(2);
        let slots = slots_max.min(slots_wanted);
        Self {
            slots: vec![[0; 3]; slots],
            used: 0,
            used_max: ((slots as f64 * load_factor) as usize).clamp(1, slots - 1),
            hashers: [RandomState::new(), RandomState::new()],
        }
    }

    /// How many more keys surely fit.
    pub(super) fn room(&self) -> usize {
        self.used_max - self.used
    }

    /// The part of the room for keys that is taken.
    pub(super) fn utilization(&self) -> f64 {
        self.used as f64 / self.used_max as f64
    }

    /// Remembers `offset` for `key`, in place of an earlier one. There must be room for a new key.
    pub(super) fn put(&mut self, key: &[u8], offset: i64) {
        let hash = self.hash(key);
        let at = self.find(hash);
        let Some(slot) = self.slots.get_mut(at) else {
            return;
        };
        if slot[2] == 0 {
            assert!(self.used < self.used_max, "the caller checks for room");
            self.used += 1;
        }
        *slot = [hash[0], hash[1], offset as u64 + 1];
    }

    /// The last offset of `key`.
    pub(super) fn get(&self, key: &[u8]) -> Option<i64> {
        let slot = self.slots.get(self.find(self.hash(key)))?;
        slot[2].checked_sub(1).map(|offset| offset as i64)
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        let hash = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            hasher.write(key);
            hasher.finish()
        };
        let [first, second] = &self.hashers;
        [hash(first), hash(second)]
    }

    /// The slot of that hash, or the free one where it belongs. One is always free.
    fn find(&self, hash: [u64; 2]) -> usize {
        let count = self.slots.len();
        let mut at = (hash[0] % count as u64) as usize;
        loop {
            match self.slots.get(at) {
                Some(slot) if slot[2] != 0 && slot[..2] != hash => at = (at + 1) % count,
                _ => return at,
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn it_knows_the_last_offset_of_each_key_up_to_its_last_slot() {
        let mut map = OffsetMap::new(u64::MAX, 1000 * SLOT_BYTES, 0.9);
        assert_eq!(map.room(), 900);
        let mut expected = HashMap::new();
        for offset in 0..5_000 {
            let key = format!("key {}", offset * 7 % 900).into_bytes();
            map.put(&key, offset);
            expected.insert(key, offset);
        }
        assert_eq!(map.room(), 0);
        for (key, offset) in expected {
            assert_eq!(map.get(&key), Some(offset));
        }
        assert_eq!(map.get(b"another"), None);
        assert!((map.utilization() - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn it_is_no_larger_than_its_keys_need() {
        let map = OffsetMap::new(10, 1 << 30, 0.9);
        assert!(map.slots.len() < 20);
        assert!(10 <= map.room());
        let mut empty = OffsetMap::new(0, 0, 0.9);
        assert_eq!(empty.get(b"key"), None);
        empty.put(b"", 0);
        assert_eq!(empty.get(b""), Some(0));
    }
}
