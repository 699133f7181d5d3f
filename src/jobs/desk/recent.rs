//! The last few values that took long to make.

pub(super) struct Recent<K, V> {
    capacity: usize,
    /// The latest last.
    items: Vec<(K, V)>,
}

impl<K: PartialEq, V: Clone> Recent<K, V> {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            items: Vec::new(),
        }
    }

    /// The value of `key`, made where it is not among the last.
    pub fn get<E>(&mut self, key: K, make: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        if let Some(value) = self.find(&key) {
            return Ok(value);
        }
        let value = make()?;
        self.put(key, value.clone());
        Ok(value)
    }

    /// The value of `key`, if it is among the last.
    pub fn find(&mut self, key: &K) -> Option<V> {
        let place = self.items.iter().position(|(known, _)| known == key)?;
        let item = self.items.remove(place);
        let value = item.1.clone();
        self.items.push(item);
        Some(value)
    }

    pub fn put(&mut self, key: K, value: V) {
        self.items.push((key, value));
        if self.items.len() > self.capacity {
            self.items.remove(0);
        }
    }

    /// Lets go of what does not fit `wanted`.
    pub fn retain(&mut self, wanted: impl Fn(&V) -> bool) {
        self.items.retain(|(_, value)| wanted(value));
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut recent = Recent::new(2);
        let mut made = Vec::new();
        for key in [1, 2, 1, 3, 1, 2] {
            let value = recent.get(key, || {
                made.push(key);
                Ok::<_, Infallible>(key * 10)
            });
            assert_eq!(value.unwrap(), key * 10);
        }
        assert_eq!(made, [1, 2, 3, 2]);
        recent.retain(|&value| value > 10);
        assert_eq!(recent.items, [(2, 20)]);
        assert_eq!(recent.get(9, || Err("no")), Err("no"));
    }
}
