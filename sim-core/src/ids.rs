//! Typed indices, and the slab that hands them out.
//!
//! An id is an index into the table of the thing it names; a [`Slab`] id also carries a generation, so
//! that an event for something that has gone is a cheap miss rather than a hit on its successor.

/// Declares index newtypes.
macro_rules! index {
    ($($(#[$doc:meta])* $name:ident($int:ty)),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);
        impl $name {
            /// The position in the table.
            pub const fn index(self) -> usize { self.0 as usize }
        }
    )*};
}

index! {
    /// A host: its position in [`crate::scenario::Scenario::hosts`].
    HostId(u16),
    /// A link: its position in [`crate::scenario::Scenario::links`].
    LinkId(u16),
    /// A traffic source: its position in [`crate::scenario::Scenario::traffic`].
    TrafficId(u16),
}

/// An IPv4 address in host byte order. Displays in dotted form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr(pub u32);

impl Addr {
    /// Whether it lies in 127.0.0.0/8.
    pub const fn is_loopback(self) -> bool {
        self.0 >> 24 == 127
    }
}

impl core::fmt::Display for Addr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let octets = self.0.to_be_bytes();
        write!(f, "{}.{}.{}.{}", octets[0], octets[1], octets[2], octets[3])
    }
}

/// An address and a port. Displays as `10.0.0.2:80`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SockAddr {
    /// The address.
    pub addr: Addr,
    /// The port.
    pub port: u16,
}

impl core::fmt::Display for SockAddr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:{}", self.addr, self.port)
    }
}

/// A connection's 4-tuple as one end, or one direction, sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// The near end, or the source.
    pub local: SockAddr,
    /// The far end, or the destination.
    pub remote: SockAddr,
}

impl Tuple {
    /// The same connection seen from the other end.
    pub const fn reversed(self) -> Tuple {
        Tuple { local: self.remote, remote: self.local }
    }

    /// The two addresses, the near one first.
    pub const fn pair(self) -> (Addr, Addr) {
        (self.local.addr, self.remote.addr)
    }
}

/// A key into a [`Slab`]: slot and generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    slot: u32,
    generation: u32,
}

impl Key {
    /// The slot, for tables that run beside the slab.
    pub const fn slot(self) -> usize {
        self.slot as usize
    }
}

#[derive(Clone, Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// A table whose freed slots are reused, last freed first: memory is bounded by what is live at once.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Stores a value and returns its key.
    pub fn insert(&mut self, value: T) -> Key {
        if let Some(slot) = self.free.pop() {
            let entry = &mut self.slots[slot as usize];
            entry.value = Some(value);
            return Key { slot, generation: entry.generation };
        }
        let slot = u32::try_from(self.slots.len()).expect("fewer than 2^32 live entries");
        self.slots.push(Slot { generation: 0, value: Some(value) });
        Key { slot, generation: 0 }
    }

    /// The value, unless it has been removed.
    pub fn get(&self, key: Key) -> Option<&T> {
        let entry = self.slots.get(key.slot())?;
        if entry.generation == key.generation { entry.value.as_ref() } else { None }
    }

    /// The value, unless it has been removed.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.slots.get_mut(key.slot())?;
        if entry.generation == key.generation { entry.value.as_mut() } else { None }
    }

    /// Takes the value out; its key, and every copy of it, is a miss from now on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.slots.get_mut(key.slot())?;
        if entry.generation != key.generation {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.slot);
        Some(value)
    }

    /// Takes all values out, in order of their slots.
    pub fn take_all(&mut self) -> Vec<T> {
        let keys: Vec<Key> = (0..self.slots.len() as u32).map(|slot| self.key(slot)).collect();
        keys.into_iter().filter_map(|key| self.remove(key)).collect()
    }

    /// The key of a slot as it is now: of the live value, or of none.
    pub fn key(&self, slot: u32) -> Key {
        Key { slot, generation: self.slots.get(slot as usize).map_or(0, |entry| entry.generation) }
    }

    /// The live values, in order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|entry| entry.value.as_ref())
    }

    /// The live values with their keys, in order of their slots.
    pub fn entries(&self) -> impl Iterator<Item = (Key, &T)> {
        let slots = self.slots.iter().zip(0..);
        slots.filter_map(|(entry, slot)| {
            let key = Key { slot, generation: entry.generation };
            entry.value.as_ref().map(|value| (key, value))
        })
    }

    /// The live values, to be changed, in order of their slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|entry| entry.value.as_mut())
    }

    /// How many values are live.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether no value is live.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many slots were ever live at once.
    pub fn high_water(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_misses() {
        let mut slab = Slab::default();
        let a = slab.insert(1);
        assert_eq!(slab.remove(a), Some(1));
        let b = slab.insert(2);
        assert_eq!(a.slot(), b.slot());
        assert_eq!((slab.get(a), slab.get(b)), (None, Some(&2)));
        assert_eq!((slab.remove(a), slab.len(), slab.high_water()), (None, 1, 1));
    }
}
