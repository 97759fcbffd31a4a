//! Many pieces of work at once, their results in order.

use core::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Does `work` for each item on so many threads and hands the results to `each` in the order of the items, each as soon
/// as all before it are there. What `each` sees does not depend on the number of threads. When `each` breaks, no more
/// work is begun; the value of the break is returned.
///
/// Where there are no threads (wasm32), the work is done one piece after the other.
pub fn in_order<T: Sync, R: Send, B>(
    items: &[T],
    jobs: usize,
    work: impl Fn(&T) -> R + Sync,
    mut each: impl FnMut(R) -> ControlFlow<B>,
) -> Option<B> {
    if jobs <= 1 || items.len() <= 1 || cfg!(target_family = "wasm") {
        return items.iter().find_map(|item| each(work(item)).break_value());
    }
    on_threads(items, jobs, &work, &mut each)
}

fn on_threads<T: Sync, R: Send, B>(
    items: &[T],
    jobs: usize,
    work: &(impl Fn(&T) -> R + Sync),
    each: &mut impl FnMut(R) -> ControlFlow<B>,
) -> Option<B> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(items.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(i) else { return };
                    if sender.send((i, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        // Whichever is ready first waits for those before it.
        let mut ready: Vec<Option<R>> = items.iter().map(|_| None).collect();
        let mut handed = 0;
        for (i, result) in receiver {
            ready[i] = Some(result);
            while let Some(result) = ready.get_mut(handed).and_then(Option::take) {
                handed += 1;
                if let ControlFlow::Break(end) = each(result) {
                    next.store(items.len(), Ordering::Relaxed);
                    return Some(end);
                }
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The results for 0 to 19, of which the early ones take longest.
    fn collected(jobs: usize) -> Vec<u64> {
        let items: Vec<u64> = (0..20).collect();
        let work = |&i: &u64| (0..(20 - i) * 10_000).fold(i, |sum, n| std::hint::black_box(sum ^ n ^ n));
        let mut results = Vec::new();
        let end: Option<()> = in_order(&items, jobs, work, |r| {
            results.push(r);
            ControlFlow::Continue(())
        });
        assert_eq!(end, None);
        results
    }

    #[test]
    fn results_come_in_the_order_of_the_items_on_any_number_of_threads() {
        for jobs in [0, 1, 2, 3, 7, 100] {
            assert_eq!(collected(jobs), (0..20).collect::<Vec<_>>(), "{jobs} jobs");
        }
    }

    #[test]
    fn whoever_has_seen_enough_ends_it() {
        for jobs in [1, 4] {
            let mut seen = Vec::new();
            let end = in_order(
                &(0..1000).collect::<Vec<_>>(),
                jobs,
                |&i| i,
                |i| {
                    seen.push(i);
                    if i == 5 { ControlFlow::Break("enough") } else { ControlFlow::Continue(()) }
                },
            );
            assert_eq!((end, seen), (Some("enough"), (0..=5).collect::<Vec<i32>>()));
        }
    }

    #[test]
    fn nothing_to_do_is_done() {
        assert_eq!(in_order(&[] as &[u8], 4, |_| (), |()| ControlFlow::Break(())), None);
    }
}
