//! Places for what comes and goes, by number. Growth moves none of them, so memory never doubles.

/// Places that are allocated together.
const CHUNK: usize = 1024;

#[derive(Clone, Debug)]
pub(super) struct Pool<T> {
    chunks: Vec<Vec<T>>,
    /// The last one given back is the first to serve again.
    free: Vec<u32>,
}

impl<T> Pool<T> {
    pub(super) const fn new() -> Pool<T> {
        Pool { chunks: Vec::new(), free: Vec::new() }
    }

    /// How many places there are, used or not.
    pub(super) fn capacity(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// A place for `value`.
    pub(super) fn add(&mut self, value: T) -> u32 {
        if let Some(at) = self.free.pop() {
            *self.get_mut(at) = value;
            return at;
        }
        let at = self.capacity();
        if at == self.chunks.len() * CHUNK {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(last) = self.chunks.last_mut() {
            last.push(value);
        }
        at as u32
    }

    /// Gives a place back.
    pub(super) fn free(&mut self, at: u32) {
        self.free.push(at);
    }

    #[inline]
    pub(super) fn get(&self, at: u32) -> &T {
        &self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }

    /// The same of a number that may be none of a place.
    #[inline]
    pub(super) fn find(&self, at: u32) -> Option<&T> {
        self.chunks.get(at as usize / CHUNK)?.get(at as usize % CHUNK)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> &mut T {
        &mut self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }

    /// All places in order, those out of use as they were left.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> + '_ {
        self.chunks.iter().flatten()
    }
}
