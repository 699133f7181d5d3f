//! Work in parts, on several threads where that pays.

/// Does `work` on every part. Where it `pays`, the threads of rayon's current pool take neighbouring parts, this one the first of them,
/// so that a thread meets again what it has in its cache.
pub(super) fn each<T: Send>(parts: impl Iterator<Item = T>, pays: bool, work: impl Fn(T) + Sync) {
    let threads = if pays { rayon::current_num_threads() } else { 1 };
    if threads == 1 {
        parts.for_each(work);
        return;
    }
    let parts: Vec<T> = parts.collect();
    let share = parts.len().div_ceil(threads).max(1);
    let mut rest = parts.into_iter();
    let own: Vec<T> = rest.by_ref().take(share).collect();
    let work = &work;
    rayon::scope(|scope| {
        while rest.len() > 0 {
            let group: Vec<T> = rest.by_ref().take(share).collect();
            scope.spawn(move |_| group.into_iter().for_each(work));
        }
        own.into_iter().for_each(work);
    });
}
